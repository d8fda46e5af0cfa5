import { expect, it } from 'vitest'
import { Latency } from './latency.ts'

it('knows its quantiles within five percent', () => {
  const latency = new Latency()
  expect(latency.quantile(0.5)).toBe(0)
  for (let ms = 1; ms <= 1_000; ms++) latency.add(ms)
  for (const part of [0.1, 0.5, 0.99, 1]) {
    const ms = latency.quantile(part)
    expect(ms).toBeGreaterThanOrEqual(1_000 * part - 1)
    expect(ms).toBeLessThanOrEqual(1_000 * part * 1.05 + 1)
  }
})
