/** The entry point `purewire/services`: health and reflection, for servers that want them, and functions that ask other servers. */

export type { ServiceCallOptions } from './call-service.ts';
export { HealthService } from './health.ts';
export { type HealthWatch, healthCheck, watchHealth } from './health-client.ts';
export {
  type HealthCheckRequest,
  type HealthCheckResponse,
  type HealthListResponse,
  type HealthMethods,
  ServingStatus,
} from './health-definition.ts';
export { type ReflectedService, reflectionServices } from './reflection.ts';
export { type DescribeOptions, describe, listServices } from './reflection-client.ts';
