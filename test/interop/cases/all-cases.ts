/** All interoperability cases by their standard names. */

import { BASIC_CASES } from './basic-cases.ts';
import type { InteropCase } from './case-context.ts';
import { COMPRESSION_CASES } from './compression-cases.ts';
import { EXTRA_CASES } from './extra-cases.ts';
import { ORCA_CASES } from './orca-cases.ts';
import { SOAK_CASES } from './soak-cases.ts';

/** The twenty of the matrix, in its order. */
export const MATRIX_CASES: readonly string[] = [
  'large_unary',
  'empty_unary',
  'ping_pong',
  'empty_stream',
  'client_streaming',
  'server_streaming',
  'cancel_after_begin',
  'cancel_after_first_response',
  'timeout_on_sleeping_server',
  'custom_metadata',
  'status_code_and_message',
  'special_status_message',
  'unimplemented_method',
  'unimplemented_service',
  'client_compressed_unary',
  'server_compressed_unary',
  'client_compressed_streaming',
  'server_compressed_streaming',
  'orca_per_rpc',
  'orca_oob',
];

/** Everything that can be run. */
export const ALL_CASES: ReadonlyMap<string, InteropCase> = new Map(
  Object.entries({
    ...BASIC_CASES,
    ...COMPRESSION_CASES,
    ...ORCA_CASES,
    ...SOAK_CASES,
    ...EXTRA_CASES,
  }),
);
