import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  decodeApprovedShape,
  decodeDedupStats,
  decodeObservedShape,
  decodeRunningIngress,
  decodeSharedSetting,
  decodeShapeCounts,
} from '../index.ts'

const shape = {
  source: 's',
  eventType: 't',
  fingerprint: 'f',
  version: 2,
  paths: ['/"a":string'],
  fields: ['a'],
  count: 1,
  firstSeenAt: 1,
  lastSeenAt: 2,
  before: 0,
  reachedHalfMs: null,
  reachedNineTenthsMs: 5,
}
const counted = {
  source: 's',
  eventType: 't',
  fingerprint: 'f',
  count: 1,
  firstAt: 1,
  lastAt: 2,
  paths: ['p'],
}
const setting = { value: 'v', service: 's', since: 1_700_000_000_000 }
const approval = { source: 's', fingerprint: 'f', approvedBy: 'a', approvedAt: 1 }
const process_ = { host: 'h', pid: 1, partitions: 12 }

/** Whether each field that was given has the kind of value that a good record has. */
const isLike = (value: unknown, good: unknown): boolean =>
  good === null || value === null
    ? true
    : Array.isArray(good)
      ? Array.isArray(value) && value.every((one) => typeof one === 'string')
      : typeof value === typeof good

const DECODERS: readonly (readonly [string, object, readonly string[], (bytes: Buffer) => unknown])[] = [
  ['a shape', shape, Object.keys(shape), decodeObservedShape],
  ['counts of shapes', counted, Object.keys(counted), (bytes) => decodeShapeCounts(wrapped(bytes))[0]],
  ['a shared setting', setting, Object.keys(setting), decodeSharedSetting],
  ['an approval', approval, ['source', 'fingerprint'], decodeApprovedShape],
  ['a running ingress', process_, Object.keys(process_), decodeRunningIngress],
]

const wrapped = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from('['), bytes, Buffer.from(']')])
const json = (value: unknown): Buffer => Buffer.from(JSON.stringify(value))

describe.each(DECODERS)('%s', (_, good, relied, decode) => {
  it('is read back as it was written', () => {
    expect(decode(json(good))).toEqual(good)
  })

  it('decodes garbage to nothing and never throws', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
        expect(decode(Buffer.from(bytes))).toBeUndefined()
      }),
    )
    for (const text of ['', 'null', '[]', '{}', '5', '"x"', '[null]', '\ufeff{}', '{"__proto__":{}}']) {
      expect(decode(Buffer.from(text))).toBeUndefined()
    }
  })

  it('decodes to nothing if a required field has another type', () => {
    const other = fc.oneof(fc.jsonValue(), fc.constantFrom(1e300, -1, {}, [], [5], '', null, true))
    fc.assert(
      fc.property(fc.constantFrom(...relied), other, (field, value) => {
        const decoded = decode(json({ ...good, [field]: value })) as Record<string, unknown> | undefined
        if (decoded === undefined) return
        expect(isLike(decoded[field], (good as Record<string, unknown>)[field])).toBe(true)
      }),
      { numRuns: 500 },
    )
  })
})

it('a setting with a time outside of the calendar is not decoded', () => {
  for (const since of [1e300, -1e300, 8.64e15 + 1, 0.5]) {
    expect(decodeSharedSetting(json({ ...setting, since }))).toBeUndefined()
  }
})

it('a value that is not a record of counts throws a TypeError or a SyntaxError', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.json().map((text) => Buffer.from(text)),
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
      ),
      (bytes) => {
        try {
          decodeDedupStats(Buffer.from(bytes))
        } catch (error) {
          expect(error instanceof TypeError || error instanceof SyntaxError).toBe(true)
        }
      },
    ),
  )
})
