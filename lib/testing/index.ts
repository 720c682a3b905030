/** `purewire/testing`: for tests of services and of programs that call them. */

export {
  createMemoryChannel,
  type MemoryChannelOptions,
  MemoryConnector,
} from './memory-channel.ts';
