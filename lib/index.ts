/** `purewire`: stubs, servers, method descriptions, errors, status codes and metadata, in the forms of grpc.framework.alpha. */

export * from './alpha/index.ts';
