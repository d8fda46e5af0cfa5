import { RECORD_BYTES_MAX } from '@weir/contracts'
import { expect, it } from 'vitest'
import { SentShapes, ShapeTally } from './shape-tally.ts'

// An identifier has at most 512 bytes, and JSON may need six bytes for one.
it.each(['a', 'ж', '中', '"', '\u0001'])(
  'fits into one record, whatever names the payloads have: %j',
  (char) => {
    const tally = new ShapeTally()
    for (let n = 0; n < 250; n++) {
      const fields = Array.from({ length: 500 }, (_, i) => `${char.repeat(20)}${i}`)
      const paths = fields.map((field) => `/${JSON.stringify(field)}:string`)
      const eventType = char.repeat(512 / Buffer.byteLength(char)) + String(n)
      tally.add(
        'a-source-with-a-long-name',
        eventType,
        { fingerprint: `f-${n}`, paths, fields },
        1_700_000_000_000,
      )
    }
    const { counts, withPaths } = tally.counts(new SentShapes())
    expect(withPaths.length).toBeGreaterThan(0)
    expect(Buffer.byteLength(JSON.stringify(counts))).toBeLessThan(RECORD_BYTES_MAX)
  },
)
