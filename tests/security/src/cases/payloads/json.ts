import { HEADER } from '@weir/contracts'
import type { InputRecord } from '@weir/kafka'
import { jsonCorpus } from '../../json-corpus.ts'
import { sha256 } from '../../journal.ts'
import type { Rig } from '../../rig/rig.ts'
import { securityCase, type SecurityCase } from '../../security-case.ts'
import { bodyOf, freshId, signedHeaders, type SourceUnderTest } from '../../source-under-test.ts'
import { tally } from '../signatures/signature.ts'

/** What ingress says of a body that it could not read as JSON at all. */
const NOT_JSON = new Set(['invalid_json', 'invalid_encoding', 'unsafe_json'])

/**
 * Files that parsers may see either way: numbers that lose digits, lone surrogates and a byte order mark, which are
 * kept byte for byte.
 */
const I_ACCEPTED = [
  'i_number_double_huge_neg_exp.json',
  'i_number_real_underflow.json',
  'i_number_too_big_neg_int.json',
  'i_number_too_big_pos_int.json',
  'i_number_very_big_negative_int.json',
  'i_object_key_lone_2nd_surrogate.json',
  'i_string_1st_surrogate_but_2nd_missing.json',
  'i_string_1st_valid_surrogate_2nd_invalid.json',
  'i_string_incomplete_surrogate_and_escape_valid.json',
  'i_string_incomplete_surrogate_pair.json',
  'i_string_incomplete_surrogates_escape_valid.json',
  'i_string_invalid_lonely_surrogate.json',
  'i_string_invalid_surrogate.json',
  'i_string_inverted_surrogates_U+1D11E.json',
  'i_string_lone_second_surrogate.json',
  'i_structure_UTF-8_BOM_empty_object.json',
]
/** JSON all the same, but one parser takes the first of two equal keys and another the last. */
const Y_REFUSED = ['y_object_duplicated_key.json', 'y_object_duplicated_key_and_value.json']

const send = (rig: Rig, source: SourceUnderTest, raw: Buffer) =>
  rig.ingress.send({ path: source.path, headers: signedHeaders(source, raw), raw })

interface CorpusResult {
  readonly statuses: readonly number[]
  /** Names of the files that were taken for JSON. */
  readonly taken: ReadonlySet<string>
}

const runs = new WeakMap<Rig, Promise<CorpusResult>>()

/** The whole corpus, each file as the signed body of a request; once a run. */
const corpusResult = (rig: Rig): Promise<CorpusResult> => {
  const known = runs.get(rig) ?? runCorpus(rig)
  runs.set(rig, known)
  return known
}

const runCorpus = async (rig: Rig): Promise<CorpusResult> => {
  const corpus = jsonCorpus()
  const answers = await Promise.all(corpus.map(({ raw }) => send(rig, rig.sources.strict, raw)))
  const problems = new Map(
    (await rig.topics.records('received')).map(({ value, headers }) => [
      sha256(value!),
      headers[HEADER.intakeError]?.toString(),
    ]),
  )
  const taken = corpus.filter(({ raw }) => {
    const hash = sha256(raw)
    return problems.has(hash) && !NOT_JSON.has(problems.get(hash) ?? '')
  })
  return { statuses: answers.map(({ status }) => status), taken: new Set(taken.map(({ name }) => name)) }
}

const listOf = (names: readonly string[]): string =>
  names.length === 0 ? 'none' : names.toSorted().join(' ')

const corpusCases = (): SecurityCase[] => [
  securityCase('json corpus: every file is answered and kept', '400 × 318', async (rig) =>
    tally((await corpusResult(rig)).statuses),
  ),
  securityCase('json corpus: y_ files that are refused', listOf(Y_REFUSED), async (rig) => {
    const { taken } = await corpusResult(rig)
    return listOf(
      jsonCorpus().flatMap(({ name }) => (name.startsWith('y_') && !taken.has(name) ? [name] : [])),
    )
  }),
  securityCase('json corpus: n_ files that are taken', 'none', async (rig) =>
    listOf([...(await corpusResult(rig)).taken].filter((name) => name.startsWith('n_'))),
  ),
  securityCase('json corpus: i_ files that are taken', listOf(I_ACCEPTED), async (rig) =>
    listOf([...(await corpusResult(rig)).taken].filter((name) => name.startsWith('i_'))),
  ),
]

const nested = (levels: number): string => '['.repeat(levels) + ']'.repeat(levels)

/** Members of an otherwise good body, as JSON text, and the expected response. */
const MEMBERS: readonly (readonly [what: string, member: string, expected: number])[] = [
  ['__proto__', '"__proto__":{"polluted":true}', 400],
  ['__proto__, escaped', '"\\u005f_proto__":{"polluted":true}', 400],
  ['__proto__, nested', '"a":[{"__proto__":{"polluted":true}}]', 400],
  ['constructor.prototype', '"constructor":{"prototype":{"polluted":true}}', 400],
  ['constructor.prototype, escaped', '"constructo\\u0072":{"prototype":{"polluted":true}}', 400],
  ['the same key twice', '"twice":1,"twice":2', 400],
  ['the same key twice, once escaped', '"twice":1,"twic\\u0065":2', 400],
  ['the same key twice, nested', '"a":{"b":[{"c":1,"c":1}]}', 400],
  ['1e400', '"number":1e400', 400],
  ['-1e400', '"number":-1e400', 400],
  ['2^53 + 1', '"number":9007199254740993', 200],
  ['63 levels below the body', `"deep":${nested(63)}`, 200],
  ['64 levels below the body', `"deep":${nested(64)}`, 400],
  ['5,000 levels', `"deep":${nested(5_000)}`, 400],
  ['100,000 levels', `"deep":${nested(100_000)}`, 400],
  ['100,000 levels, not closed', `"deep":${'['.repeat(100_000)}`, 400],
  ['an escaped NUL', '"text":"a\\u0000b"', 200],
  ['an escaped NUL in a key', '"a\\u0000b":1', 200],
  ['a lone surrogate', '"text":"\\ud800"', 200],
  ['a lone surrogate in a key', '"\\udfaa":1', 200],
  ['a raw NUL in a text', '"text":"a\0b"', 400],
  ['NaN', '"number":NaN', 400],
  ['a comment', '/* c */ "a":1', 400],
  ['10,000 keys', Array.from({ length: 10_000 }, (_, i) => `"k${i}":1`).join(), 200],
]

const memberCases = (): SecurityCase[] =>
  MEMBERS.map(([what, more, expected]) =>
    securityCase(`json: ${what}`, expected, async (rig) => {
      const { strict } = rig.sources
      return (await send(rig, strict, bodyOf(strict, { more }))).status
    }),
  )

const written = async (rig: Rig, raw: Buffer): Promise<InputRecord | undefined> => {
  const hash = sha256(raw)
  const records = await rig.topics.until('unique', (all) => all.some(({ value }) => sha256(value!) === hash))
  return records.find(({ value }) => sha256(value!) === hash)
}

const byteCases = (): SecurityCase[] =>
  MEMBERS.filter(([, , expected]) => expected === 200).map(([what, more]) =>
    securityCase(`json: ${what}: passed on byte for byte`, 'the same bytes', async (rig) => {
      const raw = bodyOf(rig.sources.cxone, { more })
      const { status } = await send(rig, rig.sources.cxone, raw)
      if (status !== 200) return `status ${status}`
      return (await written(rig, raw))?.value?.equals(raw) === true ? 'the same bytes' : 'not there'
    }),
  )

/** In PostgreSQL, at the end of the pipeline. */
const rowCases = (): SecurityCase[] =>
  (
    [
      ['an escaped NUL', '"text":"a\\u0000b"', 'a\uFFFDb'],
      ['a lone surrogate', '"text":"a\\ud800b"', 'a\uFFFDb'],
    ] as const
  ).map(([what, more, text]) =>
    securityCase(
      `json: ${what}: stored as it came, and flagged`,
      `raw the same, sanitised, ${text}`,
      async (rig) => {
        const id = freshId()
        const raw = bodyOf(rig.sources.cxone, { id, more })
        await send(rig, rig.sources.cxone, raw)
        const row = await rig.rows.untilOne<{ raw: Buffer; payload_sanitised: boolean; text: string }>(
          `SELECT raw, payload_sanitised, payload->>'text' AS text FROM events WHERE interaction_id = $1`,
          [id],
        )
        if (row === undefined) return 'no row'
        const isSame = row.raw.equals(raw) ? 'the same' : 'another'
        return `raw ${isSame}, ${row.payload_sanitised ? 'sanitised' : 'not sanitised'}, ${row.text}`
      },
      { tier: 'full' },
    ),
  )

const aftermathCases = (): SecurityCase[] => [
  securityCase('json: a good body after all of these', '200, no member that was not sent', async (rig) => {
    const { status, body } = await send(rig, rig.sources.strict, bodyOf(rig.sources.strict))
    const names = Object.keys(JSON.parse(body) as object).sort()
    const isClean = names.join() === 'eventKey,interactionId,status'
    return `${status}, ${isClean ? 'no member that was not sent' : names.join()}`
  }),
]

export const jsonCases = (): readonly SecurityCase[] => [
  ...corpusCases(),
  ...memberCases(),
  ...byteCases(),
  ...rowCases(),
  ...aftermathCases(),
]
