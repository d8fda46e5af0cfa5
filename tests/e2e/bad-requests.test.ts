import type { Shipment } from '@weir/simulator'
import { sign, SOURCES, type SourceDefinition } from '@weir/sources'
import { expect, it, onTestFinished } from 'vitest'
import { Pipeline, SECRET } from './pipeline.ts'
import { malformed, shipment } from './shipments.ts'

/** Signed by whom they should be, and not what the source sends. */
const malformedBodies = (source: string): Buffer[] =>
  [
    `{"cut":"${source}"`,
    `["${source}"]`,
    `"${source}"`,
    `{"nothing":"of what ${source} must have"}`,
    `{"id":{},"interactionId":{},"conversationId":{},"of":"${source}"}`,
    `{"${source}":1,"${source}":2}`,
    `{"__proto__":{"of":"${source}"}}`,
    `{"${source}":1e400}`,
    `{"${source}":${'['.repeat(5_000)}${']'.repeat(5_000)}}`,
    ` `,
  ]
    .map((text) => Buffer.from(text))
    .concat(Buffer.concat([Buffer.from(`{"${source}":"`), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]))

const forged = (source: SourceDefinition): Shipment[] => {
  const { verifier, name } = source
  if (verifier.kind !== 'hmac') return []
  const { header } = verifier
  const body = (id: string): Buffer =>
    Buffer.from(
      JSON.stringify({
        interactionId: `${name}-${id}`,
        eventType: 't',
        sequenceNumber: 1,
        id: `${name}-${id}`,
        type: 't',
        dataActionId: 'd',
        updatedTimestamp: '2024-05-11T12:00:00Z',
      }),
    )
  const with_ = (id: string, signature: (raw: Buffer) => string): Shipment => {
    const raw = body(id)
    return shipment(source, { kind: 'forged' }, raw, { [header]: signature(raw) })
  }
  return [
    shipment(source, { kind: 'forged' }, body('unsigned'), {}),
    with_('empty', () => ''),
    with_('other-secret', (raw) => sign(verifier, 'another secret', raw)),
    with_('other-body', () => sign(verifier, SECRET, body('of another body'))),
    with_('cut', (raw) => sign(verifier, SECRET, raw).slice(0, -1)),
    with_('longer', (raw) => `${sign(verifier, SECRET, raw)}00`),
  ]
}

it('keeps each authentic body that is malformed as one dead letter, and nothing of a forged request', async () => {
  const pipeline = await Pipeline.start('bad-requests')
  onTestFinished(() => pipeline.close())
  const bad = SOURCES.flatMap((source) => malformedBodies(source.name).map((raw) => malformed(source, raw)))
  const false_ = SOURCES.flatMap(forged)
  const tooLarge = shipment(SOURCES[0]!, { kind: 'malformed' }, Buffer.alloc(300_000, ' '), {})
  // A provider may repeat a request after a 400.
  await pipeline.send([...bad, ...false_, tooLarge])
  await pipeline.send([...bad, ...false_, tooLarge])
  const { findings, ok, report, totals } = await pipeline.examine()

  expect(findings).toEqual([])
  expect(ok).toBe(true)
  expect(report.acked).toBe(2 * bad.length)
  expect(totals).toMatchObject({
    onTopic: 2 * bad.length,
    deadLettered: bad.length,
    duplicates: bad.length,
    unique: 0,
    rows: 0,
    downstreamLetters: 0,
  })
})
