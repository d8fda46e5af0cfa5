import { entityKeyOf, encodeReceivedWebhook, eventKeyOf } from '@weir/contracts'
import type { Logger } from '@weir/runtime'
import { expect, it } from 'vitest'
import { EventLines, type EventLogStyle } from './event-log.ts'
import { readMappings } from './mappings/sources-file.ts'
import { normalizerPipeline } from './pipeline.ts'

const linesOf = (style: EventLogStyle) => {
  const written: object[] = []
  const logger = Object.fromEntries(
    ['info', 'warn'].map((level) => [
      level,
      (fields: object, message: string) => written.push({ level, message, ...fields }),
    ]),
  ) as unknown as Logger
  const body = { timestamp: 'T', data: { id: 'sim-1', channelType: 'chat', customer: { email: 'a secret' } } }
  const record = {
    topic: 't',
    partition: 0,
    offset: 0n,
    timestamp: 10,
    ...encodeReceivedWebhook({
      source: 'cxone',
      interactionId: 'sim-1',
      entityKey: entityKeyOf('cxone', 'sim-1'),
      eventKey: eventKeyOf('cxone', 'k'),
      dedupKey: 'k',
      bodyHash: Buffer.alloc(8),
      eventType: 't',
      receivedAt: 5,
      raw: Buffer.from(JSON.stringify(body)),
    }),
  }
  const outcome = normalizerPipeline(readMappings([], undefined), () => false).run(record)
  if (outcome.kind !== 'ok') throw new TypeError('it fits')
  const lines = new EventLines(logger, style)
  lines.processed(outcome.value.event)
  lines.failed(record, 'unmappable', 'no part is there')
  lines.failed({ ...record, headers: {} }, 'record_invalid', 'header source is missing')
  expect(written).toEqual([])
  lines.write(14)
  return written
}

it.each([
  ['processed', 'webhook.processed', 'webhook.failed'],
  ['success', 'webhook.success', 'webhook.error'],
] as const)(
  'S2-08 logs each event under the names of %s, with its fields and nothing of its body',
  (style, ok, bad) => {
    const interactionId = 'sim-1'
    const failed = { level: 'warn', message: bad, event: bad, channelType: null, status: 'failure' }
    expect(linesOf(style)).toEqual([
      {
        level: 'info',
        message: ok,
        event: ok,
        interactionId,
        channelType: 'chat',
        latencyMs: 9,
        status: 'success',
      },
      { ...failed, interactionId, latencyMs: 9, reason: 'unmappable', error: 'no part is there' },
      { ...failed, latencyMs: 4, reason: 'record_invalid', error: 'header source is missing' },
    ])
  },
)

it('S2-08 logs no events by default', () => {
  expect(linesOf('off')).toEqual([])
})
