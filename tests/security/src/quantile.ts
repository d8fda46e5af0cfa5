/** The value below which the fraction `q` of a sample lies. */
export const quantile = (sample: readonly number[], q: number): number => {
  const sorted = Float64Array.from(sample).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
}
