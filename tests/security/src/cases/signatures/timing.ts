import { createHmac, randomBytes } from 'node:crypto'
import { createVerifier, PRESETS, RequestHeaders, type SignatureSpec } from '@weir/sources'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { quantile } from '../../quantile.ts'

const BLOCKS = 100
const BLOCK_COMPARES = 2_000
const COMPARES = BLOCKS * BLOCK_COMPARES
/** Of a row that differs. */
const ATTEMPTS = 3
const WARM_UP = 20_000
const T_MAX = 4.5
/** Above it lies the machine: interrupts, garbage collection. */
const CROP = 0.95
const SPEC = PRESETS.nice.verifier as SignatureSpec
const SECRET = 'a secret of the timing test'
const DIGEST_BYTES = 32

interface Offer {
  readonly body: Buffer
  /** Of the body. */
  readonly good: Buffer
  /** Of the header: wrong in one byte. */
  readonly signature: string
}

type Compare = (offer: Offer) => boolean

/**
 * Wrong in the last byte only, or in the first: a compare that stops at the first difference needs longer for one of
 * them. Each body is random, and so each text of either kind is: what a text costs by itself, such as branches that
 * the processor has learned from the texts before it, is the same for both.
 */
const offer = (isLate: boolean): Offer => {
  const body = randomBytes(DIGEST_BYTES)
  const good = createHmac('sha256', SECRET).update(body).digest()
  const bytes = Buffer.from(good)
  const change = 1 + (randomBytes(1)[0]! % 255)
  bytes[0]! ^= isLate ? 0 : change
  bytes[DIGEST_BYTES - 1]! ^= isLate ? change : 0
  return { body, good, signature: bytes.toString('hex') }
}

const timed = (compare: Compare, offered: Offer): number => {
  const startedAt = process.hrtime.bigint()
  const isGood = compare(offered)
  const took = Number(process.hrtime.bigint() - startedAt)
  if (isGood) throw new Error('a wrong signature was taken')
  return took
}

/** How much longer late differences take than early ones, in one block: in random order, so that a load meets both. */
const differenceOf = (compare: Compare): number => {
  const late: number[] = []
  const early: number[] = []
  for (const coin of randomBytes(BLOCK_COMPARES)) {
    const isLate = (coin & 1) === 1
    const took = timed(compare, offer(isLate))
    if (isLate) late.push(took)
    else early.push(took)
  }
  const limit = quantile([...late, ...early], CROP)
  const meanOf = (sample: readonly number[]): number => {
    const kept = sample.filter((took) => took <= limit)
    return kept.reduce((sum, took) => sum + took, 0) / kept.length
  }
  return meanOf(late) - meanOf(early)
}

/** Student's t of the differences of all blocks: how surely they are not 0. */
const timeOf = (compare: Compare): number => {
  for (let i = 0; i < WARM_UP; i++) timed(compare, offer(i % 2 === 0))
  const differences = Array.from({ length: BLOCKS }, () => differenceOf(compare))
  const mean = differences.reduce((sum, one) => sum + one, 0) / BLOCKS
  const variance = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0) / (BLOCKS - 1)
  return mean / Math.sqrt(variance / BLOCKS)
}

/** A compare that leaks does so each time and in the same direction; what the machine does beside it does not. */
const leakOf = (compare: Compare): number => {
  let least = timeOf(compare)
  for (let again = 1; again < ATTEMPTS && Math.abs(least) >= T_MAX; again++) {
    const t = timeOf(compare)
    if (Math.sign(t) !== Math.sign(least)) return 0
    if (Math.abs(t) < Math.abs(least)) least = t
  }
  return Math.abs(least)
}

/** What the row must notice: it stops at the first byte that differs. */
const naive: Compare = ({ good, signature }) => {
  const given = Buffer.from(signature, 'hex')
  for (let i = 0; i < DIGEST_BYTES; i++) {
    if (given[i] !== good[i]) return false
  }
  return true
}

export const timingCases = (): readonly SecurityCase[] => [
  securityCase(
    `timing: ${COMPARES} compares, right against wrong prefix`,
    `|t| < ${T_MAX}`,
    () => {
      const verify = createVerifier(SPEC, [SECRET])
      const t = leakOf(({ body, signature }) => {
        const headers = new RequestHeaders([SPEC.header, signature])
        return verify(headers, body, 0).kind === 'valid'
      })
      return Promise.resolve(t < T_MAX ? `|t| < ${T_MAX}` : `|t| = ${t.toFixed(1)}`)
    },
    { tier: 'full' },
  ),
  securityCase(
    'timing: a compare that stops early (the check itself)',
    `|t| > ${T_MAX}`,
    () => {
      const t = leakOf(naive)
      return Promise.resolve(t > T_MAX ? `|t| > ${T_MAX}` : `|t| = ${t.toFixed(1)}`)
    },
    { tier: 'full' },
  ),
]
