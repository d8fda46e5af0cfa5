import { asEventKey, contentKeyOf, eventKeyOf } from '@weir/contracts'
import type { StagedKeys, SeenResult } from '@weir/seen-keys'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { dropSeenIn } from './drop-seen.ts'
import { holdRepeatedContentIn } from './hold-repeated-content.ts'
import type { KeyedWebhook } from './read-keys.ts'

/** Keys for ever, without a broker. */
const keysInMemory = (): StagedKeys => {
  const held = new Map<string, string>()
  return {
    effectiveTime: 0,
    check: (key: Buffer, bodyHash: Buffer): SeenResult => {
      const first = held.get(key.toString('hex'))
      if (first === undefined) {
        held.set(key.toString('hex'), bodyHash.toString('hex'))
        return { kind: 'new' }
      }
      if (first === bodyHash.toString('hex')) return { kind: 'duplicate', firstAt: 0 }
      return { kind: 'conflict', first: Buffer.from(first, 'hex'), firstAt: 0 }
    },
  } as unknown as StagedKeys
}

const delivery = (id: string, body: string, isGuarded = true): KeyedWebhook => ({
  entityKey: Buffer.from('s|e'),
  eventKey: asEventKey(eventKeyOf('s', id)),
  bodyHash: Buffer.from(body.padEnd(8, '.')),
  contentKey: isGuarded ? asEventKey(contentKeyOf('s', Buffer.from(body))) : undefined,
  intakeError: undefined,
})

const judge = (deliveries: readonly KeyedWebhook[]) => {
  const seen = keysInMemory()
  const [hold, drop] = [holdRepeatedContentIn(seen), dropSeenIn(seen)]
  return deliveries.map((webhook) => {
    const held = hold(webhook)
    const outcome = held.kind === 'ok' ? drop(held.value) : held
    return outcome.kind === 'deadLetter' ? outcome.reason : outcome.kind
  })
}

it('holds a captured body under another id, once per id, and treats a redelivery as a repeat', () => {
  expect(
    judge([
      delivery('d1', 'a'),
      delivery('d1', 'a'),
      delivery('d2', 'a'),
      delivery('d2', 'a'),
      delivery('d3', 'a'),
      delivery('d4', 'b'),
      delivery('d4', 'a'),
      delivery('d1', 'c'),
    ]),
  ).toEqual([
    'ok',
    'drop',
    'content_repeated',
    'drop',
    'content_repeated',
    'ok',
    'content_repeated',
    'key_conflict',
  ])
})

it('does nothing where the id is signed', () => {
  expect(judge([delivery('d1', 'a', false), delivery('d2', 'a', false)])).toEqual(['ok', 'ok'])
})

it('lets each content and each id pass once, and keeps everything else as letters', () => {
  const some = fc.record({ id: fc.constantFrom('1', '2', '3'), body: fc.constantFrom('a', 'b', 'c') })
  fc.assert(
    fc.property(fc.array(some, { maxLength: 30 }), (all) => {
      const outcomes = judge(all.map(({ id, body }) => delivery(id, body)))
      const passed = all.filter((_, i) => outcomes[i] === 'ok')
      expect(new Set(passed.map(({ body }) => body)).size).toBe(passed.length)
      expect(new Set(passed.map(({ id }) => id)).size).toBe(passed.length)
      for (const [i, { id, body }] of all.entries()) {
        const before = all.slice(0, i)
        const isNew = before.every((one) => one.id !== id && one.body !== body)
        if (isNew) expect(outcomes[i]).toBe('ok')
        // What was dropped had come before: as an event, or as a letter.
        const isRepeat = before.some((one) => one.id === id && one.body === body)
        expect(outcomes[i] === 'drop').toBe(isRepeat)
      }
    }),
  )
})
