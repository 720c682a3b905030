/**
 * Reads the TAP that tap and tap-lite write and counts tests in it. Everything else on the same output (what a test logs) is kept as text.
 *
 * A test is a block (the file itself or a sub-test) with assertions of its own: it passes when all of them pass. A block that only holds
 * sub-tests is no test; a sub-test that asserts nothing at all has failed, because it could not have.
 */

/** One thing that went wrong in a file. */
export interface Failure {
  /** Names of the sub-tests from the outside in; empty for the file itself. */
  readonly path: readonly string[];
  readonly message: string;
  /** The diagnostic block below the test point, without its indentation; empty when there was none. */
  readonly details: readonly string[];
  /** What the test commented, such as its seed; that of the tests around it first. */
  readonly comments: readonly string[];
}

/** One test that did not run, and why. */
export interface Skip {
  readonly path: readonly string[];
  readonly reason: string;
}

/** What a test file reported. */
export interface TapReport {
  passed: number;
  failed: number;
  assertions: number;
  readonly failures: Failure[];
  readonly skips: Skip[];
  /** Comments that begin with `figure: `, without it: what is shown though the file passed. */
  readonly figures: string[];
  /** Lines that are not TAP, in order. */
  readonly noise: string[];
  /** Whether the file's own plan was seen: without it the process ended early. */
  complete: boolean;
}

interface Block {
  readonly name: string;
  readonly parent: Block | null;
  readonly path: readonly string[];
  readonly comments: string[];
  assertions: number;
  skips: number;
  failedAssertions: number;
  subtests: number;
  /** Failures inside this block and its sub-tests. */
  failuresWithin: number;
}

interface TestPoint {
  readonly block: Block;
  readonly ok: boolean;
  readonly message: string;
  /** The sub-test that this point closes, or null. */
  readonly closes: Block | null;
  readonly indent: string;
  readonly details: string[];
}

const INDENT = '    ';
const TEST_POINT = /^(not )?ok\b(?: (\d+))?(?: - ?(.*))?$/;
const DIRECTIVE = /(?<!\\)#\s*(skip|todo|time=)\S*\s*(.*)$/i;

const FIGURE = '# figure: ';

/** Reads the whole output of one test file. */
export function readTap(output: string): TapReport {
  const report: TapReport = {
    passed: 0,
    failed: 0,
    assertions: 0,
    failures: [],
    skips: [],
    figures: [],
    noise: [],
    complete: false,
  };
  const root = newBlock('', null);
  let open: Block = root;
  let closing: Block | null = null;
  let point: TestPoint | null = null;
  let inDetails = false;

  for (const line of output.split('\n')) {
    if (inDetails && point !== null) {
      if (line === `${point.indent}  ...`) inDetails = false;
      else point.details.push(line.slice(point.indent.length + 2));
      continue;
    }
    if (point !== null && line === `${point.indent}  ---`) {
      inDetails = true;
      continue;
    }
    const depth = depthOf(open);
    const outer = INDENT.repeat(depth);
    const opened = subtestName(line, outer);
    if (opened !== null) {
      point = settle(point, report);
      open = newBlock(opened, open);
      closing = null;
      continue;
    }
    const found = readPoint(line, open, closing);
    if (found !== null) {
      point = settle(point, report);
      closing = null;
      if (found.skipReason !== null) {
        found.block.skips++;
        report.skips.push({ path: found.block.path, reason: found.skipReason });
      } else {
        point = found;
      }
      open = found.block;
      continue;
    }
    const text = line.startsWith(outer) ? line.slice(outer.length) : line;
    if (/^1\.\.\d+/.test(text)) {
      point = settle(point, report);
      if (open.parent === null) report.complete = true;
      else closing = open;
    } else if (text.startsWith('# ')) {
      open.comments.push(text.slice(2));
      if (text.startsWith(FIGURE)) report.figures.push(text.slice(FIGURE.length));
    } else if (!/^\s*$|^TAP version/.test(text)) {
      report.noise.push(line);
    }
  }
  settle(point, report);
  for (let block: Block | null = open; block !== null; block = block.parent) {
    closeBlock(block, report);
  }
  return report;
}

function newBlock(name: string, parent: Block | null): Block {
  if (parent !== null) parent.subtests++;
  return {
    name,
    parent,
    path: parent === null ? [] : [...parent.path, name],
    comments: [],
    assertions: 0,
    skips: 0,
    failedAssertions: 0,
    subtests: 0,
    failuresWithin: 0,
  };
}

function depthOf(block: Block): number {
  return block.path.length;
}

function subtestName(line: string, indent: string): string | null {
  const head = `${indent}# Subtest: `;
  return line.startsWith(head) ? unescapeTap(line.slice(head.length)) : null;
}

function unescapeTap(text: string): string {
  return text.replaceAll('\\#', '#').replaceAll('\\\\', '\\');
}

/** A test point of the open block, or, after that block's plan, the point in its parent that closes it. */
function readPoint(
  line: string,
  open: Block,
  closing: Block | null,
): (TestPoint & { readonly skipReason: string | null }) | null {
  const block = closing?.parent ?? open;
  const indent = INDENT.repeat(depthOf(block));
  if (!line.startsWith(indent)) return null;
  const match = TEST_POINT.exec(line.slice(indent.length));
  if (match === null) return null;
  const text = match[3] ?? '';
  const directive = DIRECTIVE.exec(text);
  const message = unescapeTap(directive === null ? text : text.slice(0, directive.index)).trim();
  const ok = match[1] === undefined;
  const isSkip = /^(skip|todo)$/i.test(directive?.[1] ?? '') && closing === null;
  const reason = directive?.[2]?.trim() ?? '';
  return {
    block,
    ok,
    message,
    closes: closing,
    indent,
    details: [],
    skipReason: isSkip ? [message, reason].filter((part) => part !== '').join(': ') : null,
  };
}

/** Counts a test point once its details are complete. */
function settle(point: TestPoint | null, report: TapReport): null {
  if (point === null) return null;
  const { block, ok, message, closes, details } = point;
  if (closes !== null) {
    closeBlock(closes, report);
    if (!ok && closes.failuresWithin === 0) fail(report, closes, message, details);
    block.failuresWithin += closes.failuresWithin;
    return null;
  }
  block.assertions++;
  report.assertions++;
  if (!ok) {
    block.failedAssertions++;
    block.failuresWithin++;
    report.failures.push(failureIn(block, message, details));
  }
  return null;
}

function failureIn(block: Block, message: string, details: readonly string[]): Failure {
  const comments: string[] = [];
  for (let around: Block | null = block; around !== null; around = around.parent) {
    comments.unshift(...around.comments);
  }
  return { path: block.path, message, details, comments };
}

/** A failure of a whole test that no assertion reported. */
function fail(report: TapReport, block: Block, message: string, details: readonly string[]): void {
  report.failed++;
  block.failuresWithin++;
  report.failures.push(failureIn(block, message, details));
}

function closeBlock(block: Block, report: TapReport): void {
  if (block.assertions > 0) {
    if (block.failedAssertions > 0) report.failed++;
    else report.passed++;
  } else if (block.subtests === 0 && block.skips === 0) {
    fail(report, block, block.parent === null ? 'no test ran' : 'the test asserted nothing', []);
  }
}
