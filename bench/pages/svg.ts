/** Drawing: panels of bars with whiskers and of curves, as SVG text. No library, no script, readable on white. */

export const ink = '#1f2933';
export const faint = '#7b8794';
const grid = '#e4e7eb';
const family = 'system-ui, -apple-system, Segoe UI, Roboto, Helvetica, Arial, sans-serif';

/** One bar: parts are stacked; the whisker is an interval of their sum. */
export interface Bar {
  readonly label: string;
  readonly parts: readonly { readonly value: number; readonly color: string }[];
  readonly whisker: readonly [low: number, high: number] | null;
  /** The figure written behind the bar. */
  readonly text: string;
  readonly bold: boolean;
}

/** A titled group of horizontal bars with an axis of its own. */
export interface BarPanel {
  readonly title: string;
  readonly bars: readonly Bar[];
}

/** One line of a curve panel; points where a value is missing are left out. */
export interface Curve {
  readonly label: string;
  readonly color: string;
  readonly width: number;
  readonly points: readonly { readonly x: number; readonly y: number }[];
}

/** Curves over positions 0 … n − 1 with names, and a logarithmic axis upward. */
export interface CurvePanel {
  readonly title: string;
  readonly xLabels: readonly string[];
  readonly xTitle: string;
  readonly yTitle: string;
  readonly curves: readonly Curve[];
}

/** A ratio on a logarithmic axis, with its interval and the line it has to reach. */
export interface RatioMark {
  readonly label: string;
  readonly low: number;
  readonly value: number;
  readonly high: number;
  readonly reached: boolean;
  readonly text: string;
}

const panelWidth = 460;
const panelGap = 28;
const labelWidth = 118;
const valueWidth = 92;
const barHeight = 17;
const barGap = 6;
const titleHeight = 30;

/** Bar panels in two columns. */
export function barChart(panels: readonly BarPanel[]): string {
  const heights = panels.map((panel) => titleHeight + panel.bars.length * (barHeight + barGap));
  return gridOf(
    panels.map((panel, i) => ({ height: heights[i]!, body: barPanel(panel) })),
    panelWidth,
  );
}

function barPanel({ title, bars }: BarPanel): string {
  const most = Math.max(1e-9, ...bars.map((bar) => Math.max(sumOf(bar), bar.whisker?.[1] ?? 0)));
  const room = panelWidth - labelWidth - valueWidth;
  const scale = (value: number): number => (Math.max(0, value) / most) * room;
  const lines = [textAt(0, 14, title, { weight: 600, size: 13 })];
  bars.forEach((bar, i) => {
    const y = titleHeight + i * (barHeight + barGap);
    const middle = y + barHeight / 2;
    const weight = bar.bold ? 600 : 400;
    lines.push(
      textAt(labelWidth - 8, middle + 4, bar.label, { anchor: 'end', weight }),
      rect(labelWidth, y, room, barHeight, '#f5f7fa'),
    );
    let x = labelWidth;
    for (const { value, color } of bar.parts) {
      lines.push(rect(x, y, scale(value), barHeight, color));
      x += scale(value);
    }
    if (bar.whisker !== null) {
      const [low, high] = bar.whisker;
      lines.push(whisker(labelWidth + scale(low), labelWidth + scale(high), middle));
    }
    lines.push(textAt(panelWidth - valueWidth + 8, middle + 4, bar.text, { weight }));
  });
  return lines.join('');
}

function sumOf(bar: Bar): number {
  return bar.parts.reduce((sum, part) => sum + part.value, 0);
}

const curveHeight = 300;
const curveLeft = 62;
const curveBottom = 44;

/** Curve panels in two columns; lines are named at their right end. */
export function curveChart(panels: readonly CurvePanel[]): string {
  return gridOf(
    panels.map((panel) => ({ height: curveHeight, body: curvePanel(panel) })),
    panelWidth,
  );
}

function curvePanel({ title, xLabels, xTitle, yTitle, curves }: CurvePanel): string {
  const values = curves.flatMap((curve) => curve.points.map(({ y }) => y)).filter((y) => y > 0);
  const low = 10 ** Math.floor(Math.log10(Math.min(...values)));
  const high = 10 ** Math.ceil(Math.log10(Math.max(...values)) + 1e-9);
  const [top, bottom] = [titleHeight + 12, curveHeight - curveBottom];
  const right = panelWidth - 96;
  const xOf = (x: number): number =>
    curveLeft + 14 + (x / Math.max(1, xLabels.length - 1)) * (right - curveLeft - 28);
  const yOf = (y: number): number =>
    bottom - (Math.log10(y / low) / Math.log10(high / low)) * (bottom - top);
  const parts = [
    textAt(0, 14, title, { weight: 600, size: 13 }),
    textAt(0, titleHeight + 2, yTitle, { color: faint, size: 11 }),
  ];
  for (let tick = low; tick <= high * 1.001; tick *= 10) {
    parts.push(line(curveLeft, yOf(tick), right, yOf(tick), grid));
    parts.push(
      textAt(curveLeft - 6, yOf(tick) + 4, short(tick), { anchor: 'end', color: faint, size: 11 }),
    );
  }
  xLabels.forEach((label, i) => {
    parts.push(textAt(xOf(i), bottom + 16, label, { anchor: 'middle', color: faint, size: 11 }));
  });
  parts.push(
    textAt((curveLeft + right) / 2, bottom + 34, xTitle, {
      anchor: 'middle',
      color: faint,
      size: 11,
    }),
  );
  const ends = spread(
    curves.map((curve) => yOf(curve.points.findLast(({ y }) => y > 0)?.y ?? low)),
    14,
  );
  curves.forEach((curve, i) => {
    const points = curve.points.filter(({ y }) => y > 0);
    const path = points.map(({ x, y }) => `${round(xOf(x))},${round(yOf(y))}`).join(' ');
    parts.push(
      `<polyline points="${path}" fill="none" stroke="${curve.color}" stroke-width="${curve.width}" stroke-linejoin="round"/>`,
      ...points.map(
        ({ x, y }) =>
          `<circle cx="${round(xOf(x))}" cy="${round(yOf(y))}" r="2.6" fill="${curve.color}"/>`,
      ),
      textAt(right + 4, ends[i]! + 4, curve.label, {
        color: curve.color,
        weight: curve.width > 2 ? 600 : 400,
        size: 11,
      }),
    );
  });
  return parts.join('');
}

const ratioLabel = 330;
const ratioRight = 250;
const ratioRow = 24;

/** Ratios to their goals: 1 is the goal, to the right is better. */
export function ratioChart(marks: readonly RatioMark[]): string {
  const width = 2 * panelWidth + panelGap;
  const plot = width - ratioLabel - ratioRight;
  const low = Math.min(0.25, ...marks.map((mark) => mark.low));
  const high = Math.max(4, ...marks.map((mark) => mark.high));
  const xOf = (value: number): number =>
    ratioLabel + (Math.log(Math.max(value, low) / low) / Math.log(high / low)) * plot;
  const height = 34 + marks.length * ratioRow;
  const parts: string[] = [];
  for (const tick of [0.1, 0.25, 0.5, 1, 2, 4, 8, 16].filter((t) => t >= low && t <= high)) {
    parts.push(
      line(xOf(tick), 22, xOf(tick), height, tick === 1 ? ink : grid, tick === 1 ? 1.5 : 1),
    );
    const label = tick === 1 ? 'goal' : tick < 1 ? `1/${1 / tick}` : `${tick}×`;
    parts.push(
      textAt(xOf(tick), 14, label, { anchor: 'middle', color: tick === 1 ? ink : faint, size: 11 }),
    );
  }
  marks.forEach((mark, i) => {
    const y = 34 + i * ratioRow + ratioRow / 2;
    const color = mark.reached ? good : bad;
    parts.push(
      textAt(ratioLabel - 12, y + 4, mark.label, { anchor: 'end' }),
      `<line x1="${round(xOf(mark.low))}" y1="${y}" x2="${round(xOf(mark.high))}" y2="${y}" stroke="${color}" stroke-width="3" stroke-linecap="round"/>`,
      `<circle cx="${round(xOf(mark.value))}" cy="${y}" r="5" fill="${color}"/>`,
      textAt(width - ratioRight + 16, y + 4, mark.text, { color }),
    );
  });
  return svg(width, height, parts.join(''));
}

export const good = '#1a7f4b';
export const bad = '#b45309';

function gridOf(cells: readonly { height: number; body: string }[], width: number): string {
  const parts: string[] = [];
  let y = 0;
  for (let i = 0; i < cells.length; i += 2) {
    const pair = cells.slice(i, i + 2);
    pair.forEach((cell, column) => {
      parts.push(`<g transform="translate(${column * (width + panelGap)},${y})">${cell.body}</g>`);
    });
    y += Math.max(...pair.map((cell) => cell.height)) + panelGap;
  }
  const columns = cells.length > 1 ? 2 : 1;
  return svg(columns * width + (columns - 1) * panelGap, y - panelGap, parts.join(''));
}

function svg(width: number, height: number, body: string): string {
  const margin = 12;
  const [w, h] = [width + 2 * margin, Math.ceil(height) + 2 * margin];
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}" font-family="${family}" role="img">` +
    `<rect width="${w}" height="${h}" fill="#fff"/><g transform="translate(${margin},${margin})">${body}</g></svg>\n`
  );
}

/** The drawing with the title that screen readers say. */
export function withTitle(drawing: string, title: string): string {
  return drawing.replace(' role="img">', ` role="img"><title>${escapeText(title)}</title>`);
}

interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly weight?: number;
  readonly size?: number;
  readonly color?: string;
}

function textAt(x: number, y: number, text: string, style: TextStyle = {}): string {
  const { anchor = 'start', weight = 400, size = 12, color = ink } = style;
  return `<text x="${round(x)}" y="${round(y)}" text-anchor="${anchor}" font-weight="${weight}" font-size="${size}" fill="${color}">${escapeText(text)}</text>`;
}

function rect(x: number, y: number, width: number, height: number, color: string): string {
  return `<rect x="${round(x)}" y="${round(y)}" width="${round(width)}" height="${height}" fill="${color}"/>`;
}

function line(x1: number, y1: number, x2: number, y2: number, color: string, width = 1): string {
  return `<line x1="${round(x1)}" y1="${round(y1)}" x2="${round(x2)}" y2="${round(y2)}" stroke="${color}" stroke-width="${width}"/>`;
}

function whisker(low: number, high: number, y: number): string {
  return [
    line(low, y, high, y, ink, 1.2),
    line(low, y - 4, low, y + 4, ink, 1.2),
    line(high, y - 4, high, y + 4, ink, 1.2),
  ].join('');
}

/** Moves values apart until neighbours are `least` from each other, keeping their order. */
function spread(values: readonly number[], least: number): number[] {
  const order = values.map((_, i) => i).sort((a, b) => values[a]! - values[b]!);
  const placed = [...values];
  for (let i = 1; i < order.length; i++) {
    const [above, below] = [order[i - 1]!, order[i]!];
    placed[below] = Math.max(placed[below]!, placed[above]! + least);
  }
  return placed;
}

function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`;
  return value >= 1e3 ? `${value / 1e3}k` : String(Number(value.toPrecision(3)));
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}

/** Text for XML and HTML. */
export function escapeText(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}
