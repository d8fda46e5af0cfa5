import type { RequestHeaders } from './content/request-headers.ts'
import { findShadowMatches, type ShadowMatch } from './shadow.ts'
import { describeLength, readEntries } from './signature-entries.ts'
import type { RequestLine } from './content/request-line.ts'
import { algorithmName, type SignatureSpec } from './spec.ts'
import { describeUnit, parseTimestamp } from './timestamp.ts'
import { createVerifier, signatureHeaders, type SignatureResult } from './verifier.ts'

/** One check of a request, in the order in which Weir makes them. */
export interface ExplainedStep {
  readonly isGood: boolean
  readonly text: string
}

export interface Explanation {
  readonly result: SignatureResult
  readonly steps: readonly ExplainedStep[]
  /** Ways of signing, or changes of the body, that would have matched. */
  readonly hints: readonly string[]
}

/**
 * Explains step by step why a request's signature is valid or not. Names the index of a secret and never a secret or a
 * valid signature.
 */
export const explainSignature = (
  spec: SignatureSpec,
  secrets: readonly string[],
  headers: RequestHeaders,
  raw: Buffer,
  now: number,
  line?: RequestLine,
): Explanation => {
  const verify = createVerifier(spec, secrets)
  const result = verify(headers, raw, now, line)
  const steps = [
    ...headerSteps(spec, headers),
    ...formSteps(spec, headers),
    ...timestampSteps(spec, headers, now),
    matchStep(spec, secrets, result),
  ]
  return {
    result,
    steps,
    hints: result.kind === 'valid' ? [] : hintsOf(spec, secrets, headers, raw, now, line),
  }
}

const headerSteps = (spec: SignatureSpec, headers: RequestHeaders): ExplainedStep[] =>
  signatureHeaders(spec).map((name) => {
    const count = headers.count(name)
    if (count > 1) return bad(`header ${name} occurs ${count} times instead of once`)
    if (count === 0) return bad(`header ${name} is missing`)
    return headers.get(name) === undefined
      ? bad(`header ${name} is empty`)
      : good(`header ${name} occurs once`)
  })

const formSteps = (spec: SignatureSpec, headers: RequestHeaders): ExplainedStep[] => {
  const header = headers.get(spec.header)
  if (header === undefined) return []
  const due = `${describeLength(spec)} in ${spec.encoding}${spec.prefix === '' ? '' : ` after ${spec.prefix}`}`
  const entries = readEntries(spec, header)
  if (entries === undefined)
    return [bad(`${spec.header} is not of the form ${spec.form}: expected ${due}${formHint(spec, header)}`)]
  const count = entries.signatures.length
  if (count === 0) return [bad(`${spec.header} has no entry ${spec.label} of ${due}`)]
  return [good(`${spec.header} has ${count} signature${count === 1 ? '' : 's'} of ${due}`)]
}

const formHint = (spec: SignatureSpec, header: string): string => {
  if (spec.form !== 'single') return ''
  if (!header.startsWith(spec.prefix)) return `, but it does not start with ${spec.prefix}`
  return `, but it has ${header.length - spec.prefix.length} characters`
}

const timestampSteps = (spec: SignatureSpec, headers: RequestHeaders, now: number): ExplainedStep[] => {
  const { timestamp: timing } = spec
  if (timing === undefined) return []
  const header = headers.get(spec.header)
  const text =
    timing.header === undefined ? header && readEntries(spec, header)?.timestamp : headers.get(timing.header)
  if (text === undefined) return [bad('the timestamp is missing')]
  const sentAt = parseTimestamp(text, timing.unit)
  if (sentAt === undefined) return [bad(`the timestamp is not ${describeUnit(timing.unit)}`)]
  const away = Math.round((now - sentAt) / 1_000)
  const says = `the timestamp is ${Math.abs(away)} s ${away < 0 ? 'after' : 'before'} the clock; ${timing.toleranceSecs} s are allowed`
  return [Math.abs(away) <= timing.toleranceSecs ? good(says) : bad(says)]
}

const matchStep = (
  spec: SignatureSpec,
  secrets: readonly string[],
  result: SignatureResult,
): ExplainedStep => {
  const name = algorithmName(spec)
  const way = `${spec.kind === 'hmac' ? `HMAC-${name.toUpperCase()}` : name} over ${spec.content}`
  if (result.kind === 'valid') return good(`${way} matches with secret ${result.secret} of ${secrets.length}`)
  if (result.kind === 'missing' || result.reason !== 'no_match') {
    const isLate = result.kind === 'invalid' && result.reason === 'timestamp_outside_tolerance'
    // Public keys are not tried for a late request.
    if (isLate && spec.kind === 'hmac') return good(`${way} matches, so only the timestamp is wrong`)
    return bad(`${way} was not compared`)
  }
  return bad(`${way} matches none of the ${secrets.length} secrets`)
}

const BODY_CHANGES: readonly (readonly [what: string, change: (text: string) => string])[] = [
  ['without its final line feed', (text) => text.replace(/\r?\n$/, '')],
  ['with a final line feed', (text) => `${text}\n`],
  ['with CR LF instead of LF', (text) => text.replace(/(?<!\r)\n/g, '\r\n')],
  ['with LF instead of CR LF', (text) => text.replaceAll('\r\n', '\n')],
  ['parsed and serialized again', (text) => JSON.stringify(JSON.parse(text))],
]

const hintsOf = (
  spec: SignatureSpec,
  secrets: readonly string[],
  headers: RequestHeaders,
  raw: Buffer,
  now: number,
  line: RequestLine | undefined,
): string[] => {
  const ways = findShadowMatches(headers, raw, secrets).map(describeMatch)
  const verify = createVerifier(spec, secrets)
  const bodies = BODY_CHANGES.flatMap(([what, change]) => {
    const changed = attempt(() => Buffer.from(change(raw.toString())))
    if (changed === undefined || changed.equals(raw) || verify(headers, changed, now, line).kind !== 'valid')
      return []
    return [`the body ${what} matches, so the file or a proxy changed it`]
  })
  const trimmed = secrets.flatMap((secret, index) => {
    if (secret.trim() === secret || secret.trim() === '') return []
    const isGood = attempt(
      () => createVerifier(spec, [secret.trim()])(headers, raw, now, line).kind === 'valid',
    )
    return isGood === true ? [`secret ${index} matches without the white space around it`] : []
  })
  return [...ways, ...bodies, ...trimmed]
}

export const describeMatch = (match: ShadowMatch): string =>
  `header ${match.header} matches as ${match.algorithm} in ${match.encoding} over ${match.content} with secret ${match.secret} ` +
  `read as ${match.secretEncoding}${match.preset === 'none' ? '' : `, as in the preset ${match.preset}`}`

const attempt = <T>(make: () => T): T | undefined => {
  try {
    return make()
  } catch {
    return undefined
  }
}

const good = (text: string): ExplainedStep => ({ isGood: true, text })
const bad = (text: string): ExplainedStep => ({ isGood: false, text })
