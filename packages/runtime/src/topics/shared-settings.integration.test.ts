import { TOPIC_SPECS } from '@weir/contracts'
import { ensureTopics, type KafkaLogger } from '@weir/kafka'
import { SOURCES } from '@weir/sources'
import { isolatedKafka } from '@weir/testkit'
import { expect, it } from 'vitest'
import {
  compareSettings,
  forgetSetting,
  publishedSettings,
  sharedLetterKeys,
  sharedSecret,
  sharedSources,
} from './shared-settings.ts'

const silent = { debug: () => 0, info: () => 0, warn: () => 0, error: () => 0 } as unknown as KafkaLogger
const SECRET = 'a body hash key of the tests'

const deployment = async () => {
  const settings = isolatedKafka('shared', 1)
  const specs = TOPIC_SPECS.filter(({ role }) => role === 'settings')
  await ensureTopics({ settings, logger: silent, specs, replicationFactor: 1, minInsyncReplicas: 1 })
  return {
    settings,
    start: (service: string, values: Readonly<Record<string, string>>) =>
      compareSettings(settings, { logger: silent }, service, values),
  }
}

it('refuses a service whose key differs from the published one, without showing the key', async () => {
  const { settings, start } = await deployment()
  expect(await start('ingress', sharedSecret('BODY_HASH_KEY', SECRET))).toEqual([])
  expect(await start('ingress', sharedSecret('BODY_HASH_KEY', SECRET))).toEqual([])
  const [message, ...more] = await start('replay', sharedSecret('BODY_HASH_KEY', `${SECRET}.`))
  expect(more).toEqual([])
  expect(message).toMatch(
    /^BODY_HASH_KEY is fingerprint [\da-f]{12} here and fingerprint [\da-f]{12} for ingress, published 2\S+: .* run `weir shared-settings --forget 'BODY_HASH_KEY'`\.$/,
  )
  expect(message).not.toContain(SECRET)
  expect(JSON.stringify(await publishedSettings(settings))).not.toContain(SECRET)

  expect(await forgetSetting(settings, 'BODY_HASH_KEY')).toBe(true)
  expect(await forgetSetting(settings, 'BODY_HASH_KEY')).toBe(false)
  expect(await start('replay', sharedSecret('BODY_HASH_KEY', `${SECRET}.`))).toEqual([])
  expect(await start('ingress', sharedSecret('BODY_HASH_KEY', SECRET))).toHaveLength(1)
})

it('refuses at least one of two services that start at the same time with different values', async () => {
  const { start } = await deployment()
  const faults = await Promise.all(
    ['a', 'b'].map((key) => start('ingress', sharedSecret('BODY_HASH_KEY', key))),
  )
  expect(faults.flat().length).toBeGreaterThan(0)
  // And whoever comes next is, with either.
  for (const key of ['a', 'b']) {
    expect(await start('replay', sharedSecret('BODY_HASH_KEY', key))).toHaveLength(1)
  }
})

it('compares letter keys and sources that both services have', async () => {
  const { start } = await deployment()
  const [a, b, other] = [`k1:${'ab'.repeat(32)}`, `k2:${'cd'.repeat(32)}`, `k1:${'ef'.repeat(32)}`]
  expect(await start('dedup', sharedLetterKeys([a]))).toEqual([])
  expect(await start('normalizer', sharedLetterKeys([b, a.toUpperCase().replace('K', 'k')]))).toEqual([])
  expect(await start('persistence', sharedLetterKeys([other]))).toEqual([
    expect.stringMatching(/^DLQ_KEYS k1 is fingerprint/),
  ])
  expect(await start('ingress', sharedSources(SOURCES))).toEqual([])
  expect(await start('replay', sharedSources(SOURCES.slice(1)))).toEqual([])
  const [first] = SOURCES
  expect(await start('replay', sharedSources([{ ...first!, keyTexts: { dedupKey: '{id}' } }]))).toHaveLength(
    1,
  )
  expect(await start('replay', sharedSources([{ ...first!, volatileFields: ['sentAt'] }]))).toHaveLength(1)
  expect(await start('replay', sharedSources([{ ...first!, form: 'fields' }]))).toHaveLength(1)
})
