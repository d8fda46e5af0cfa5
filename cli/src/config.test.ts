import { expect, it } from 'vitest'
import { loadStartConfig, loadTopicsConfig, serviceEnvironment } from './config.ts'

it('refuses an invalid port and names its variable', () => {
  expect(() => loadStartConfig({ KAFKA_PORT: '70000', INGRESS_PORT: 'x' })).toThrow(
    /KAFKA_PORT is "70000"[^]*INGRESS_PORT is "x"|INGRESS_PORT is "x"[^]*KAFKA_PORT is "70000"/,
  )
})

it('treats an empty variable as unset', () => {
  expect(loadStartConfig({ KAFKA_BROKERS: '', KAFKA_PORT: '' })).toMatchObject({
    kafkaBrokers: undefined,
    kafkaPort: 19_092,
  })
  expect(serviceEnvironment({ A: 'default', B: 'default' }, { A: '', B: 'given', C: 'more' })).toEqual({
    A: 'default',
    B: 'given',
    C: 'more',
  })
})

it.each<[string, string]>([
  ['SOURCE_CXONE_SECRETS', 'CXONE_WEBHOOK_SECRET'],
  ['SOURCE_CXONE_SECRETS', 'CXONE_WEBHOOK_SECRET_FILE'],
  ['SOURCE_CXONE_SECRETS', 'SOURCE_CXONE_SECRETS_FILE'],
  ['SOURCE_NICE_SECRETS', 'CXONE_WEBHOOK_SECRET'],
  ['SOURCE_CXONE_DATAACTION_SECRETS', 'SOURCE_CXONE_DATAACTION_SECRETS_FILE'],
  ['BODY_HASH_KEY', 'BODY_HASH_KEY_FILE'],
  ['REPLAY_TOKENS', 'REPLAY_TOKENS_FILE'],
  ['DATABASE_URL', 'DATABASE_URL_FILE'],
  ['TOPIC_PARTITIONS', 'TOPIC_PARTITIONS_FILE'],
])('lets no %s of its own stand where the caller gives %s', (made, theirs) => {
  const env = serviceEnvironment({ [made]: 'made up', OTHER: 'made up' }, { [theirs]: 'theirs' })
  expect(env).toEqual({ OTHER: 'made up', [theirs]: 'theirs' })
  expect(serviceEnvironment({ [made]: 'made up' }, { [theirs]: '' })).toEqual({ [made]: 'made up' })
})

it('refuses more in-sync replicas than replicas', () => {
  const env = { KAFKA_BROKERS: 'a:1', TOPIC_REPLICATION_FACTOR: '1', TOPIC_MIN_INSYNC_REPLICAS: '2' }
  expect(() => loadTopicsConfig(env)).toThrow(
    /TOPIC_MIN_INSYNC_REPLICAS is 2 and TOPIC_REPLICATION_FACTOR is 1/,
  )
})
