/** bench.proto as the service definition that grpc-js and nice-grpc take, over the codecs all arms share. */

import { serviceName } from './bench-arm.ts';
import { type Codec, codecs } from './messages.ts';

/** Methods by name: path, which sides stream, and the four (de)serializers. */
export const grpcJsDefinition: Readonly<Record<string, object>> = {
  Nothing: method('Nothing', codecs.empty, codecs.empty, false, false),
  Echo: method('Echo', codecs.message, codecs.message, false, false),
  Download: method('Download', codecs.downloadRequest, codecs.message, false, true),
  Upload: method('Upload', codecs.message, codecs.uploadSummary, true, false),
  PingPong: method('PingPong', codecs.message, codecs.message, true, true),
};

function method<Q, R>(
  name: string,
  request: Codec<Q>,
  response: Codec<R>,
  requestStream: boolean,
  responseStream: boolean,
): object {
  return {
    path: `/${serviceName}/${name}`,
    requestStream,
    responseStream,
    requestSerialize: request.encode,
    requestDeserialize: request.decode,
    responseSerialize: response.encode,
    responseDeserialize: response.decode,
  };
}
