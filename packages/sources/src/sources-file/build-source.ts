import { parseCidr } from '@weir/contracts'
import { REFUSALS } from '../responses.ts'
import { FORM_TYPE } from '../content.ts'
import { overrideKeys, requireSequence } from '../identify.ts'
import { parseKeyTemplate, parseTemplate } from '../key-template.ts'
import { PRESETS, SOURCES } from '../presets/index.ts'
import type { SourceDefinition } from '../source.ts'
import { specProblems } from '../verifier/spec-problems.ts'
import {
  algorithmName,
  hmacOverBody,
  isSignature,
  type AlgorithmName,
  type SignatureSpec,
  type VerifierSpec,
} from '../verifier/spec.ts'
import { certificateOf, certificateProblems } from './build-certificate.ts'
import { jwtOf, jwtEntryProblems } from './build-jwt.ts'
import { splitOf, splitProblems } from './build-split.ts'
import { handshakeProblems, handshakesOf } from './build-handshakes.ts'
import { guardProblems, guardsContent } from './build-guard.ts'
import type { EntryProblem } from './entry-problem.ts'
import type { SourceEntry } from './schema.ts'

const TOLERANCE_SECS = 300

/**
 * The source that an entry describes, or everything that is wrong with the entry. `given`: the paths that entries of
 * the file name.
 */
export const buildSource = (
  name: string,
  entry: SourceEntry,
  given: ReadonlySet<string>,
): { readonly source?: SourceDefinition; readonly problems: readonly EntryProblem[] } => {
  const preset = PRESETS[entry.preset]
  const verifier = verifierOf(preset.verifier, entry)
  const templates = templateProblems(entry)
  const ofVerifier = verifierProblems(verifier, entry)
  const problems = [
    ...ofVerifier,
    ...jwtEntryProblems(entry),
    ...certificateProblems(entry),
    ...templates,
    // These fields are the templates.
    ...(templates.length > 0 ? [] : splitProblems(entry, preset)),
    ...(templates.length + ofVerifier.length > 0 ? [] : guardProblems(entry, verifier, preset)),
    ...handshakeProblems(entry, preset, verifier),
    ...cidrProblems(entry.cidrs ?? []),
    ...fieldProblems(entry, preset),
    ...contentProblems(entry, preset),
    ...sequenceProblems(entry, preset),
  ]
  if (problems.length > 0) return { problems }
  const { refused, accepted } = profilesOf(entry)
  const split = splitOf(entry, preset)
  const { rate } = entry
  return {
    problems: [],
    source: {
      ...preset,
      ...(refused && REFUSALS[refused]),
      name,
      verifier,
      paths: entry.paths ?? pathsOf(name, preset, given),
      ...jwtOf(entry),
      ...certificateOf(entry),
      unsigned: entry.unsigned ?? preset.unsigned,
      ...(entry.cidrs && { cidrs: entry.cidrs }),
      ...(split && { split }),
      handshakes: handshakesOf(entry, preset),
      origins: entry.handshakeOrigins ?? preset.origins,
      onInvalid: entry.onInvalid ?? preset.onInvalid,
      unknownFields: entry.unknownFields ?? preset.unknownFields,
      knownFields: entry.knownFields ?? preset.knownFields,
      mediaTypes: entry.contentTypes ?? preset.mediaTypes,
      ...formOf(entry, preset),
      acceptEncodings: entry.acceptEncodings ?? preset.acceptEncodings,
      volatileFields: entry.volatileFields ?? preset.volatileFields,
      accepted: accepted ?? preset.accepted,
      ...(entry.dedupWindowSecs !== undefined && { windowSecsMin: entry.dedupWindowSecs }),
      shadow: entry.shadow ?? false,
      guardsContent: guardsContent(entry, verifier, preset),
      limits: {
        ...preset.limits,
        ...(entry.bodyBytesMax !== undefined && { bodyBytesMax: entry.bodyBytesMax }),
        ...(entry.requestBudgetMs !== undefined && { requestBudgetMs: entry.requestBudgetMs }),
        ...(entry.concurrency !== undefined && { concurrency: entry.concurrency }),
        ...(rate && { rate: { perSec: rate.perSec, burst: rate.burst ?? 2 * rate.perSec } }),
      },
      keyTexts: keysOf(entry),
      ...(entry.requireSequence && { requireSequence: true }),
      identify: identifyOf(entry, preset),
    },
  }
}

/**
 * A built-in source that the file names keeps its paths unless the file gives them to other sources, like one that the
 * file does not name.
 */
const pathsOf = (name: string, preset: SourceDefinition, given: ReadonlySet<string>): readonly string[] => {
  const own = `/webhooks/${name}`
  if (name !== preset.name || !SOURCES.some((source) => source.name === name)) return [own]
  const kept = preset.paths.filter((path) => !given.has(path))
  return kept.length > 0 ? kept : [own]
}

const keysOf = ({ entityKey, eventType, dedupKey, sequence }: SourceEntry) => ({
  ...(entityKey !== undefined && { entityKey }),
  ...(eventType !== undefined && { eventType }),
  ...(dedupKey !== undefined && { dedupKey }),
  ...(sequence !== undefined && { sequence }),
})

/**
 * Without `form`, a source that accepts the form's media type reads JSON from it, because some providers send JSON that
 * way.
 */
const formOf = ({ contentTypes, form }: SourceEntry, preset: SourceDefinition) => {
  const layout = form ?? preset.form ?? (contentTypes?.includes(FORM_TYPE) ? 'json' : undefined)
  return layout !== undefined && { form: layout }
}

const profilesOf = ({ responseProfile: profile }: SourceEntry) =>
  typeof profile === 'string' ? { refused: profile, accepted: profile } : { ...profile }

/** The preset's verifier with the entry's settings. */
const verifierOf = (
  preset: VerifierSpec,
  { preset: name, verifier, topics = [], unsigned, jwt, clientCertificate }: SourceEntry,
): VerifierSpec => {
  if (preset.kind === 'sns') return { ...preset, topics, ...(verifier?.allowSha1 && { allowSha1: true }) }
  // The token or the certificate authenticates the request.
  if (verifier === undefined && (jwt ?? clientCertificate) !== undefined && name === 'custom')
    return { kind: 'address', tokenHeader: 'authorization', tokenSuffices: true }
  if (verifier === undefined)
    return preset.kind === 'address' && unsigned === true ? { kind: 'none' } : preset
  const base: SignatureSpec = isSignature(preset) ? preset : hmacOverBody(verifier.header ?? '', 'hex')
  const { algorithm, timestamp, ...layout } = given(verifier)
  const common = {
    ...base,
    ...layout,
    ...(timestamp && {
      timestamp: {
        unit: 's' as const,
        toleranceSecs: TOLERANCE_SECS,
        ...base.timestamp,
        ...given(timestamp),
      },
    }),
  }
  return withAlgorithm(common, algorithm ?? algorithmName(base))
}

type Layout = Omit<SignatureSpec, 'kind' | 'algorithm'>

const withAlgorithm = (layout: Layout, name: AlgorithmName): SignatureSpec => {
  switch (name) {
    case 'sha256':
    case 'sha512':
    case 'sha1':
      return { ...layout, kind: 'hmac', algorithm: name }
    case 'ed25519':
      return { ...layout, kind: 'ed25519' }
    case 'ecdsa-p256':
      return { ...layout, kind: 'ecdsa' }
    case 'rsa-sha256':
      return { ...layout, kind: 'rsa', algorithm: 'sha256' }
    case 'rsa-sha1':
      return { ...layout, kind: 'rsa', algorithm: 'sha1' }
  }
}

/** Drops undefined values. */
const given = <T extends object>(value: T) =>
  Object.fromEntries(Object.entries(value).filter(([, one]) => one !== undefined)) as {
    [K in keyof T]: Exclude<T[K], undefined>
  }

const verifierProblems = (verifier: VerifierSpec, entry: SourceEntry): EntryProblem[] => {
  if (verifier.kind === 'sns') return snsProblems(entry)
  if (entry.topics !== undefined) return [{ path: ['topics'], message: 'needs `preset: sns`' }]
  if (!isSignature(verifier)) {
    if (verifier.kind === 'address' || entry.unsigned === true) return []
    return [
      {
        path: ['unsigned'],
        message:
          'the preset has no signature scheme: set `verifier`, or write `unsigned: true` to accept unsigned requests',
      },
    ]
  }
  if (verifier.header === '')
    return [{ path: ['verifier'], message: 'needs `header`, the header of the signature' }]
  return specProblems(verifier).map(({ field, message }) => ({ path: ['verifier', field], message }))
}

const snsProblems = ({ verifier = {}, topics }: SourceEntry): EntryProblem[] => [
  ...Object.keys(given(verifier))
    .filter((field) => field !== 'allowSha1')
    .map((field) => ({
      path: ['verifier', field],
      message: 'Amazon SNS has a single signature scheme: only `allowSha1` can be set',
    })),
  ...(topics === undefined
    ? [
        {
          path: ['preset'],
          message: 'needs `topics`, because otherwise every AWS customer could send to the source',
        },
      ]
    : []),
]

const templateProblems = (entry: SourceEntry): EntryProblem[] =>
  (['entityKey', 'eventType', 'dedupKey'] as const).flatMap((field) => {
    const text = entry[field]
    if (text === undefined) return []
    try {
      if (field === 'dedupKey') parseKeyTemplate(text)
      else parseTemplate(text)
      return []
    } catch (error) {
      return [{ path: [field], message: (error as Error).message }]
    }
  })

const cidrProblems = (cidrs: readonly string[]): EntryProblem[] =>
  cidrs.flatMap((text, index) => {
    try {
      parseCidr(text)
      return []
    } catch (error) {
      return [{ path: ['cidrs', index], message: (error as Error).message }]
    }
  })

const fieldProblems = (entry: SourceEntry, preset: SourceDefinition): EntryProblem[] => {
  const known = entry.knownFields ?? preset.knownFields
  if (entry.unknownFields !== 'reject' || known.length > 0) return []
  return [{ path: ['unknownFields'], message: 'needs `knownFields`, the fields that are not rejected' }]
}

const identifyOf = (entry: SourceEntry, preset: SourceDefinition) => {
  const identify = overrideKeys(preset.identify, keysOf(entry))
  return entry.requireSequence ? requireSequence(identify, sequenceFieldOf(entry, preset)!) : identify
}

const sequenceFieldOf = ({ sequence }: SourceEntry, preset: SourceDefinition): string | undefined =>
  sequence ?? preset.sequenceField

const sequenceProblems = (entry: SourceEntry, preset: SourceDefinition): EntryProblem[] =>
  !entry.requireSequence || sequenceFieldOf(entry, preset) !== undefined
    ? []
    : [{ path: ['requireSequence'], message: 'needs `sequence`, the path of the sequence number' }]

const contentProblems = ({ contentTypes, form }: SourceEntry, preset: SourceDefinition): EntryProblem[] => {
  if (form !== undefined && preset.body === 'opaque') {
    return [{ path: ['form'], message: 'the preset keeps bodies as they arrive and does not parse forms' }]
  }
  if (form === undefined || contentTypes === undefined || contentTypes.includes(FORM_TYPE)) return []
  return [{ path: ['contentTypes'], message: `add ${FORM_TYPE}, which \`form\` needs` }]
}
