import { ConfigError } from '@weir/runtime'
import { afterEach, expect, it, vi } from 'vitest'
import { loadConfig } from './config.ts'

afterEach(() => vi.restoreAllMocks())

const GIB = 2 ** 30
const load = (env: Readonly<Record<string, string>>) => () =>
  loadConfig({ KAFKA_BROKERS: 'k:1', TOPIC_PARTITIONS: '4', ...env })

const messageOf = (act: () => unknown): string => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(ConfigError)
    return (error as Error).message
  }
  return ''
}

it('refuses filters that exceed their limit, with both values and the fix', () => {
  vi.spyOn(process, 'constrainedMemory').mockReturnValue(64 * GIB)
  const fits = { DEDUP_FILTER_CAPACITY: '1000000', DEDUP_FILTER_BYTES_MAX: String(GIB) }
  expect(load(fits)().filterBytesMax).toBe(GIB)
  const message = messageOf(load({ ...fits, DEDUP_FILTER_CAPACITY: '10000000' }))
  expect(message).toMatch(
    /DEDUP_FILTER_BYTES_MAX is 1073741824 and the filters may need \d{10} \(DEDUP_FILTER_CAPACITY 10000000, 4 partitions\): raise DEDUP_FILTER_BYTES_MAX or lower DEDUP_FILTER_CAPACITY\./,
  )
  // More partitions of the same capacity need more: as after a repartition.
  expect(messageOf(load({ ...fits, TOPIC_PARTITIONS: '48' }))).toMatch(/DEDUP_FILTER_BYTES_MAX is 1073741824/)
})

it('refuses to need more memory than the container has, with both values and the fix', () => {
  const constrained = vi.spyOn(process, 'constrainedMemory').mockReturnValue(GIB)
  expect(messageOf(load({}))).toBe('')
  constrained.mockReturnValue(GIB / 2)
  expect(messageOf(load({}))).toMatch(
    /dedup may need \d+ bytes of memory and has 536870912: lower DEDUP_FILTER_CAPACITY \(1000000\) or DEDUP_BATCH_BYTES_MAX \(4194304\), or give it more memory\./,
  )
})

it('S0-06 refuses a window that is shorter than the retry time of providers, and malformed keys', () => {
  expect(messageOf(load({ DEDUP_WINDOW_SECS: '600' }))).toMatch(
    /DEDUP_WINDOW_SECS is 600 and DEDUP_RETRY_SPAN_SECS is 3060: .* Lengthen the window\./,
  )
  const keys = messageOf(load({ DLQ_KEYS: '2026a:short' }))
  expect(keys).toMatch(/DLQ_KEYS cannot be used: entry 1 is not id:key/)
  expect(keys).not.toMatch(/2026a|short/)
})

it('S4-05 writes statistics each 300 s, as S4 compacted', () => {
  expect(load({})()).toMatchObject({ statsWindowSecs: 300 })
})
