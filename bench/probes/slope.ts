/** What something grows by: a difference of two readings of a process's memory is mostly noise. */

/** Least squares. */
export function slope(xs: readonly number[], ys: readonly number[]): number {
  const mean = (values: readonly number[]): number =>
    values.reduce((sum, value) => sum + value, 0) / values.length;
  const meanX = mean(xs);
  const meanY = mean(ys);
  let above = 0;
  let below = 0;
  xs.forEach((x, i) => {
    above += (x - meanX) * (ys[i]! - meanY);
    below += (x - meanX) ** 2;
  });
  return above / below;
}
