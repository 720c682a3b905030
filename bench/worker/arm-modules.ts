/** The implementations that run in a Node worker, by name. */

import type { ArmModule } from './bench-arm.ts';

const modules: Readonly<Record<string, () => Promise<ArmModule>>> = {
  'raw-echo': () => import('../arms/raw-echo.ts'),
  'framed-echo': () => import('../arms/framed-echo.ts'),
  'framed-codec': async () => (await import('../arms/framed-echo.ts')).withCodec,
  purewire: () => import('../arms/purewire.ts'),
  'grpc-js': () => import('../arms/grpc-js.ts'),
  'nice-grpc': () => import('../arms/nice-grpc.ts'),
  'connect-node': () => import('../arms/connect-node.ts'),
  'node-http2': () => import('../arms/node-http2.ts'),
};

/** Loads an implementation; only its own libraries are loaded into the process. */
export async function loadArm(implementation: string): Promise<ArmModule> {
  const load = modules[implementation];
  if (load === undefined) throw new Error(`no implementation named ${implementation}`);
  return load();
}
