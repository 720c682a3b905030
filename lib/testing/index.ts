/** `purewire/testing`: for tests of services and of programs that call them. */

export { type MemoryStubOptions, memoryStub } from './memory-stub.ts';
