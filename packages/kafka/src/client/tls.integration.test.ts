import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:tls'
import {
  isolatedFolders,
  isolatedKafka,
  ownServersMissing,
  secureKafka,
  type Identity,
  type SecureKafka,
} from '@weir/testkit'
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest'
import type { KafkaSettings } from './settings.ts'
import { silentLogger } from './silent-logger.ts'
import { numbersOn, numbersUpTo, NumberWriter, startCopyProcessor } from '../testing/copy-processor.ts'
import { createTopics } from '../testing/topics.ts'
import { waitForBrokers } from '../admin/topics.ts'

const hasOpenssl = (): boolean => {
  try {
    execFileSync('openssl', ['version'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}
const missing = (await ownServersMissing()) ?? (hasOpenssl() ? undefined : 'there is no openssl')
if (missing !== undefined) process.stderr.write(`TLS to brokers is not tested: ${missing}\n`)

const PASSWORD = 'a-password-of-the-tests'
const START_MS_MAX = 120_000
const UNKNOWN_AUTHORITY =
  'a broker has a certificate of an authority that is not trusted: set KAFKA_SSL_CA to the certificate of that authority'

describe.skipIf(missing !== undefined)('brokers that speak TLS', { timeout: START_MS_MAX }, () => {
  const isolated = isolatedKafka('tls', 1)
  let kafka: SecureKafka
  beforeAll(async () => {
    kafka = await secureKafka(isolatedFolders('secure-kafka'), { weir: PASSWORD })
  }, START_MS_MAX)
  afterAll(() => kafka.close())

  const overTls = (name: string): KafkaSettings => {
    const { cert, key } = kafka.identity(name)
    return {
      ...isolated,
      kafkaBrokers: [kafka.tls],
      kafkaSsl: true,
      kafkaCa: kafka.ca,
      kafkaCert: cert,
      kafkaKey: key,
    }
  }
  const overSasl = (kafkaMechanism: KafkaSettings['kafkaMechanism']): KafkaSettings => ({
    ...isolated,
    kafkaBrokers: [kafka.sasl],
    kafkaSsl: true,
    kafkaCa: kafka.ca,
    kafkaMechanism,
    kafkaUser: 'weir',
    kafkaPassword: PASSWORD,
  })

  it.each([
    ['client certificates', () => overTls('service')],
    ['SCRAM-SHA-512', () => overSasl('scram-sha-512')],
    ['SCRAM-SHA-256', () => overSasl('scram-sha-256')],
  ])('topics, lanes, groups, transactions and reads work with %s', async (what, settingsOf) => {
    const settings = settingsOf()
    const id = what.replaceAll(' ', '-')
    const [input, output] = await createTopics(settings, [`in-${id}`, `out-${id}`])
    const writer = new NumberWriter(settings, input!)
    await writer.write(20)
    const processor = await startCopyProcessor({
      settings,
      inputs: [input!],
      output: output!,
      service: `tls-${id}`,
    })
    await expect.poll(() => numbersOn(settings, output!), { timeout: 30_000 }).toEqual(numbersUpTo(20, 1))
    await processor.stop()
    await writer.close()
  })

  it.each<[string, () => KafkaSettings]>([
    [
      'a broker with a certificate of an unknown authority',
      () => ({ ...overTls('service'), kafkaCa: undefined }),
    ],
    [
      'a certificate of another authority',
      () => ({ ...overTls('service'), kafkaCert: kafka.stranger.cert, kafkaKey: kafka.stranger.key }),
    ],
    ['no certificate', () => ({ ...overTls('service'), kafkaCert: undefined, kafkaKey: undefined })],
    ['a wrong password', () => ({ ...overSasl('scram-sha-512'), kafkaPassword: 'wrong' })],
    ['no TLS', () => ({ ...overTls('service'), kafkaSsl: false })],
    ['TLS, and the broker has none', () => ({ ...overTls('service'), kafkaBrokers: [kafka.plain] })],
  ])('does not connect with %s', async (_what, settingsOf) => {
    const lines: string[] = []
    const note = (fields: object, message: string): void => void lines.push(JSON.stringify([fields, message]))
    const logger = { ...silentLogger, warn: note, error: note }
    const giveUp = AbortSignal.timeout(6_000)
    await expect(waitForBrokers(settingsOf(), logger, giveUp)).rejects.toThrow()
    expect(lines.join('\n')).not.toContain(PASSWORD)
    expect(lines.join('\n')).not.toContain('PRIVATE KEY')
  })

  /** The broker side of a handshake with this certificate. These cases never get further. */
  const serverWith = async ({ cert, key }: Identity): Promise<string> => {
    const server = createServer({ cert, key }, (socket) => socket.on('error', () => undefined))
    onTestFinished(() => void server.close())
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    return `127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  it.each<[string, () => Promise<Partial<KafkaSettings>>, string]>([
    [
      'an expired certificate',
      async () => ({ kafkaBrokers: [await serverWith(kafka.identity('old', { days: -1 }))] }),
      'the certificate of a broker in KAFKA_BROKERS has expired: renew it on the broker',
    ],
    [
      'a certificate of another host',
      async () => ({
        kafkaBrokers: [await serverWith(kafka.identity('elsewhere', { names: 'DNS:elsewhere.example' }))],
      }),
      'the certificate of a broker does not have the name in KAFKA_BROKERS: set KAFKA_BROKERS to a name that it has, ' +
        'or add the name to the certificate',
    ],
    [
      'a certificate of an authority other than KAFKA_SSL_CA',
      () => Promise.resolve({ kafkaCa: kafka.strangerCa }),
      UNKNOWN_AUTHORITY,
    ],
    [
      'a certificate of an authority that Node does not know',
      () => Promise.resolve({ kafkaCa: undefined }),
      UNKNOWN_AUTHORITY,
    ],
  ])(
    'refuses a broker with %s at once, in one message that names the setting',
    async (_what, changes, message) => {
      const settings = { ...overTls('service'), ...(await changes()) }
      const lines: unknown[] = []
      const logger = { ...silentLogger, warn: (...line: unknown[]) => void lines.push(line) }
      await expect(waitForBrokers(settings, logger, AbortSignal.timeout(30_000))).rejects.toThrow(
        expect.objectContaining({ message }) as Error,
      )
      expect(lines).toEqual([])
    },
  )

  it('asks the next broker when one has an expired certificate', async () => {
    const bad = await serverWith(kafka.identity('old', { days: -1 }))
    await waitForBrokers({ ...overTls('service'), kafkaBrokers: [bad, kafka.tls] }, silentLogger)
  })
})
