/** Load reports of the interoperability server (gRFC A51): per query in trailing metadata, out of band by OpenRcaService. */

import { setTimeout as pause } from 'node:timers/promises';
import type { RpcContext } from '../../../lib/index.ts';
import type { Behaviors } from '../../../lib/protobuf/index.ts';
import type {
  OpenRcaServiceMethods,
  OrcaLoadReport,
  OrcaLoadReportRequest,
  TestOrcaReport,
} from './definition.ts';

/** No reports more often than that, whatever is asked for. */
const LEAST_INTERVAL_MS = 100;

/** The load report that a test asked for. */
export function loadReportOf(report: TestOrcaReport): OrcaLoadReport {
  const { cpuUtilization = 0, memoryUtilization = 0, requestCost = {}, utilization = {} } = report;
  return { cpuUtilization, memUtilization: memoryUtilization, requestCost, utilization };
}

/** What OpenRcaService reports: one report, the same for everybody. */
export class LoadReports implements Behaviors<OpenRcaServiceMethods> {
  /** Replaced by a test through FullDuplexCall. */
  current: OrcaLoadReport = {};

  async *StreamCoreMetrics(
    { reportInterval }: OrcaLoadReportRequest,
    context: RpcContext,
  ): AsyncGenerator<OrcaLoadReport> {
    const seconds = Number(reportInterval?.seconds ?? 0) + (reportInterval?.nanos ?? 0) / 1e9;
    const intervalMs = Math.max(LEAST_INTERVAL_MS, seconds * 1000);
    while (context.isActive()) {
      yield this.current;
      await pause(intervalMs, undefined, { signal: context.signal });
    }
  }
}
