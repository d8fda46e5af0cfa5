/** Welch's t of two samples: beyond ±4.5 their means differ for a reason (p < 10⁻⁵). */
export const welchT = (a: readonly number[], b: readonly number[]): number => {
  const [first, second] = [momentsOf(a), momentsOf(b)]
  return (first.mean - second.mean) / Math.sqrt(first.variance / a.length + second.variance / b.length)
}

const momentsOf = (sample: readonly number[]): { mean: number; variance: number } => {
  const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length
  const variance = sample.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (sample.length - 1)
  return { mean, variance }
}

/** The value below which the fraction `q` of a sample lies. */
export const quantile = (sample: readonly number[], q: number): number => {
  const sorted = Float64Array.from(sample).sort()
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))]!
}
