import { createHmac, randomBytes } from 'node:crypto'
import { createVerifier, PRESETS, RequestHeaders, type SignatureSpec } from '@weir/sources'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { quantile, welchT } from '../../welch.ts'

const COMPARES = 200_000
const WARM_UP = 20_000
const T_MAX = 4.5
/** Above it lies the machine: interrupts, garbage collection. */
const CROP = 0.95
const SPEC = PRESETS.nice.verifier as SignatureSpec
const SECRET = 'a secret of the timing test'
const RAW = Buffer.from('{"interactionId":"timing"}')
const GOOD = createHmac('sha256', SECRET).update(RAW).digest()

type Compare = (signature: string) => boolean

/** Wrong in the last byte only, and wrong in the first: a compare that stops at the first difference needs longer for one of them. */
const variants = (count: number): { readonly late: string[]; readonly early: string[] } => {
  const wrongAt = (index: number): string => {
    const bytes = Buffer.from(GOOD)
    bytes[index]! ^= 1 + (randomBytes(1)[0]! % 255)
    return bytes.toString('hex')
  }
  return {
    late: Array.from({ length: count }, () => wrongAt(GOOD.length - 1)),
    early: Array.from({ length: count }, () => wrongAt(0)),
  }
}

/** |t| of the two kinds of wrong signature, in random order so that what the machine does meets both. */
const timeOf = (compare: Compare): number => {
  const { late, early } = variants(256)
  const coins = randomBytes(COMPARES + WARM_UP)
  const times: { readonly late: number[]; readonly early: number[] } = { late: [], early: [] }
  for (let i = 0; i < COMPARES + WARM_UP; i++) {
    const isLate = (coins[i]! & 1) === 1
    const signature = (isLate ? late : early)[i & 255]!
    const startedAt = process.hrtime.bigint()
    const isGood = compare(signature)
    const took = Number(process.hrtime.bigint() - startedAt)
    if (isGood) throw new Error('a wrong signature was taken')
    if (i >= WARM_UP) times[isLate ? 'late' : 'early'].push(took)
  }
  const limit = quantile([...times.late, ...times.early], CROP)
  const cropped = [times.late, times.early].map((sample) => sample.filter((took) => took <= limit))
  return Math.abs(welchT(cropped[0]!, cropped[1]!))
}

/** What the row must notice: it stops at the first byte that differs. */
const naive: Compare = (signature) => {
  const given = Buffer.from(signature, 'hex')
  for (let i = 0; i < GOOD.length; i++) {
    if (given[i] !== GOOD[i]) return false
  }
  return true
}

export const timingCases = (): readonly SecurityCase[] => [
  securityCase(
    `timing: ${COMPARES} compares, right against wrong prefix`,
    `|t| < ${T_MAX}`,
    () => {
      const verify = createVerifier(SPEC, [SECRET])
      const t = timeOf((signature) => {
        const headers = new RequestHeaders([SPEC.header, signature])
        return verify(headers, RAW, 0).kind === 'valid'
      })
      return Promise.resolve(t < T_MAX ? `|t| < ${T_MAX}` : `|t| = ${t.toFixed(1)}`)
    },
    { tier: 'full' },
  ),
  securityCase(
    'timing: a compare that stops early (the check itself)',
    `|t| > ${T_MAX}`,
    () => {
      const t = timeOf(naive)
      return Promise.resolve(t > T_MAX ? `|t| > ${T_MAX}` : `|t| = ${t.toFixed(1)}`)
    },
    { tier: 'full' },
  ),
]
