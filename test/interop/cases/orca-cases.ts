/**
 * The cases about load reports (gRFC A51). In other libraries a load balancing policy receives them; here the case reads them where they
 * come from, trailing metadata and OpenRcaService, which is what such a policy would do.
 */

import {
  LOAD_REPORT_KEY,
  type OrcaLoadReport,
  orcaLoadReport,
  type TestOrcaReport,
} from '../service/definition.ts';
import { loadReportOf } from '../service/orca.ts';
import {
  type CaseContext,
  checkStatus,
  fullDuplexCall,
  type InteropCase,
  unaryCall,
} from './case-context.ts';
import { check, type InteropCall } from './interop-client.ts';

const PER_QUERY: TestOrcaReport = {
  cpuUtilization: 0.821,
  memoryUtilization: 0.5847,
  requestCost: { cost: 3456.32 },
  utilization: { util: 0.30499 },
};
const OUT_OF_BAND: readonly TestOrcaReport[] = [
  { cpuUtilization: 0.821, memoryUtilization: 0.5847, utilization: { util: 0.30499 } },
  { cpuUtilization: 0.29309, memoryUtilization: 0.2, utilization: { util: 0.2039 } },
];
/** Reports looked at before an expected one counts as missing; they come two a second. */
const MAX_REPORTS = 60;
const HALF_A_SECOND = { seconds: 0, nanos: 500_000_000 };

async function orcaPerRpc({ client }: CaseContext): Promise<void> {
  const ending = await unaryCall(client, { orcaPerQueryReport: PER_QUERY });
  checkStatus(ending, 0);
  const octets = ending.trailing.find(([key]) => key === LOAD_REPORT_KEY)?.[1];
  check(octets instanceof Uint8Array, `there is no ${LOAD_REPORT_KEY} in the trailing metadata`);
  checkReport(orcaLoadReport.decode(octets), PER_QUERY);
}

async function orcaOob({ client }: CaseContext): Promise<void> {
  const call = fullDuplexCall(client);
  const reports = client.start<OrcaLoadReport>(
    'xds.service.orca.v3.OpenRcaService/StreamCoreMetrics',
    { reportInterval: HALF_A_SECOND },
  );
  for (const orcaOobReport of OUT_OF_BAND) {
    call.send({ orcaOobReport, responseParameters: [{ size: 1 }] });
    check((await call.next()) !== null, 'the call ended before its response');
    await untilReported(reports, orcaOobReport);
  }
  call.halfClose();
  checkStatus(await call.ending, 0);
  reports.cancel();
  await reports.ending;
}

async function untilReported(
  reports: InteropCall<OrcaLoadReport>,
  wanted: TestOrcaReport,
): Promise<void> {
  for (let seen = 1; ; seen++) {
    const report = await reports.next();
    if (report === null) {
      const { code, details } = await reports.ending;
      throw new Error(`the reports ended with ${code} "${details}"`);
    }
    if (textOf(report) === textOf(loadReportOf(wanted))) return;
    if (seen === MAX_REPORTS) checkReport(report, wanted);
  }
}

function checkReport(found: OrcaLoadReport, wanted: TestOrcaReport): void {
  const text = textOf(loadReportOf(wanted));
  check(textOf(found) === text, `the report is ${textOf(found)} instead of ${text}`);
}

function textOf({
  cpuUtilization = 0,
  memUtilization = 0,
  requestCost = {},
  utilization = {},
}: OrcaLoadReport): string {
  return JSON.stringify([
    cpuUtilization,
    memUtilization,
    Object.entries(requestCost).sort(([a], [b]) => (a < b ? -1 : 1)),
    Object.entries(utilization).sort(([a], [b]) => (a < b ? -1 : 1)),
  ]);
}

/** The cases by their names. */
export const ORCA_CASES: Readonly<Record<string, InteropCase>> = {
  orca_per_rpc: orcaPerRpc,
  orca_oob: orcaOob,
};
