import { DEAD_LETTER_REASONS, DEAD_LETTER_STAGE_NAMES, type DeadLetterReason } from '@weir/contracts'
import { parseExactJson } from '@weir/exact-json'
import { z } from 'zod'

const text = z.string().min(1).max(1_000)
const reasons = Object.keys(DEAD_LETTER_REASONS) as [DeadLetterReason, ...DeadLetterReason[]]
const moment = z.union([
  z.number().int(),
  z.iso.datetime({ offset: true }).transform((iso) => Date.parse(iso)),
])

/** Selects letters of one stage. An absent field selects all. */
export const letterFilter = z.strictObject({
  stage: z.enum(DEAD_LETTER_STAGE_NAMES),
  reason: z.enum(reasons).optional(),
  source: text.optional(),
  /** Time of the last failure, epoch ms or ISO. Includes `from` and excludes `to`. */
  from: moment.optional(),
  to: moment.optional(),
  /** Fingerprint of the payload's shape. */
  fingerprint: text.optional(),
  /** The record key: the entity key `source|interaction id`. */
  key: text.optional(),
  /** The event key in hex. */
  eventKey: z
    .string()
    .regex(/^[\da-f]{32}$/i, 'an event key is 32 hexadecimal digits')
    .toLowerCase()
    .optional(),
  status: z.enum(['pending_inspection', 'replayed', 'discarded', 'any']).default('pending_inspection'),
})
export type LetterFilter = z.infer<typeof letterFilter>

/** Edits a body before it returns, first as text, then as JSON. A header marks the result with the name. */
export const fixUp = z.strictObject({
  name: text,
  replaceText: z
    .array(z.strictObject({ find: text, with: z.string().max(1_000) }))
    .max(50)
    .default([]),
  /** Top-level fields to set, after `rename`. */
  set: z.record(text, z.unknown()).default({}),
  rename: z.record(text, text).default({}),
  remove: z.array(text).max(100).default([]),
})
export type FixUp = z.infer<typeof fixUp>

export const RATE_MAX = 100_000
/** One letter in 10 s. */
export const RATE_MIN = 0.1

export const jobRequest = z.strictObject({
  kind: z.enum(['replay', 'discard']),
  filter: letterFilter,
  ratePerSec: z.number().min(RATE_MIN).max(RATE_MAX).default(1_000),
  /** The job skips a letter that was replayed this many times. */
  replaysMax: z.number().int().min(1).max(100).default(3),
  fixUp: fixUp.optional(),
})
export type JobRequest = z.infer<typeof jobRequest>

/** A `waiting` job needs an approval. No version of the service runs it. */
export type JobState = 'waiting' | 'running' | 'done' | 'cancelled'

/** The approval that a job needs before it runs. */
export interface Approval {
  /** The entries of REPLAY_APPROVALS that require it. */
  readonly why: readonly string[]
  /** The job can be approved until this time, epoch ms. */
  readonly expiresAt: number
  /** Who approved the job, never the one who requested it. Undefined: not approved yet. */
  readonly by?: string
  readonly at?: number
}

/** A letter that could not return. */
export interface StayingLetter {
  /** See `letterPlace`. */
  readonly letter: string
  readonly why: string
}

export interface JobCounts {
  readonly scanned: number
  readonly matched: number
  /** Written to the replay topic, or marked as discarded. */
  readonly done: number
  /** Skipped: replayed too many times. */
  readonly guarded: number
  /** Skipped: `stays` says why. */
  readonly unusable: number
}

/** A replay or a discard, its requester and its progress: the value of `replay.state.v1` under `job|<id>`. */
export interface Job extends JobRequest {
  readonly id: string
  readonly requestedBy: string
  /** Epoch ms. */
  readonly requestedAt: number
  readonly state: JobState
  /** Number of committed chunks. A tick names its step, so that a repeated tick does nothing. */
  readonly step?: number
  /** By partition: the next offset, and the last stable offset when the job began. */
  readonly cursor: Readonly<Record<string, string>>
  readonly end: Readonly<Record<string, string>>
  readonly counts: JobCounts
  /** Most letters that the job can take, if they were counted at its request. */
  readonly letters?: number | undefined
  /** Undefined: the job needs no approval. */
  readonly approval?: Approval | undefined
  /** The first `STAYING_MAX` of `counts.unusable`. */
  readonly stays?: readonly StayingLetter[]
  readonly finishedAt: number | null
}

export const STAYING_MAX = 20
export const NO_COUNTS: JobCounts = { scanned: 0, matched: 0, done: 0, guarded: 0, unusable: 0 }

/**
 * A record of `replay.commands.v1`. `tick` is the next step of a job. `expire` ends jobs that waited too long for an
 * approval, and forgets jobs that ended long ago. `propose` is `create` with counted positions, used where approvals
 * are set: a version without approvals skips it.
 */
export type Command =
  | { readonly kind: 'create'; readonly job: Job }
  | { readonly kind: 'propose'; readonly job: Job }
  /** `requestedAt`: of the job that was read; a later one with its id is another. */
  | {
      readonly kind: 'approve'
      readonly id: string
      readonly by: string
      readonly requestedAt?: number | undefined
    }
  | { readonly kind: 'cancel'; readonly id: string }
  | { readonly kind: 'tick'; readonly id: string; readonly step?: number }
  | { readonly kind: 'expire' }

export const tickOf = ({ id, step = 0 }: Job): Command => ({ kind: 'tick', id, step })

export const encodeJson = (value: Command | Job): Buffer => Buffer.from(JSON.stringify(value))

const offsets = z.record(z.string().regex(/^\d{1,5}$/), z.string().regex(/^\d{1,19}$/))
/** The last time of the calendar, epoch ms. */
const TIME_MAX = 8_640_000_000_000_000
/**
 * The fields that the code relies on. Other writers of the topic may write anything, and older versions had other
 * limits.
 */
const storedJob = z.looseObject({
  id: z.string().min(1),
  kind: z.enum(['replay', 'discard']),
  filter: z.looseObject({ stage: z.enum(DEAD_LETTER_STAGE_NAMES) }),
  ratePerSec: z.number().positive(),
  replaysMax: z.number(),
  fixUp: fixUp.optional(),
  requestedBy: z.string(),
  requestedAt: z.number(),
  state: z.enum(['waiting', 'running', 'done', 'cancelled']),
  step: z.number().int().optional(),
  cursor: offsets,
  end: offsets,
  counts: z.looseObject({
    scanned: z.number(),
    matched: z.number(),
    done: z.number(),
    guarded: z.number(),
    unusable: z.number(),
  }),
  letters: z.number().optional(),
  approval: z
    .looseObject({
      why: z.array(z.string()),
      expiresAt: z.number().int().min(0).max(TIME_MAX),
      by: z.string().optional(),
      at: z.number().optional(),
    })
    .optional(),
  stays: z.array(z.looseObject({ letter: z.string(), why: z.string() })).optional(),
  finishedAt: z.number().nullable(),
})
const storedCommand = z.discriminatedUnion('kind', [
  z.looseObject({ kind: z.literal('create'), job: storedJob }),
  z.looseObject({ kind: z.literal('propose'), job: storedJob }),
  z.looseObject({
    kind: z.literal('approve'),
    id: z.string(),
    by: z.string().min(1),
    requestedAt: z.number().optional(),
  }),
  z.looseObject({ kind: z.literal('cancel'), id: z.string() }),
  z.looseObject({ kind: z.literal('tick'), id: z.string(), step: z.number().optional() }),
  z.looseObject({ kind: z.literal('expire') }),
])

/** Returns undefined for a value that is not a command. */
export const decodeCommand = (value: Buffer | null): Command | undefined => {
  const command = parse(value)
  return storedCommand.safeParse(command).success ? (command as Command) : undefined
}

/** Returns undefined for a tombstone and for a value that is not a job. */
export const decodeJob = (value: Buffer | null): Job | undefined => {
  const job = parse(value)
  return storedJob.safeParse(job).success ? (job as Job) : undefined
}

const parse = (value: Buffer | null): object | undefined => {
  try {
    // A fix-up may set a number that a double cannot hold.
    const parsed = parseExactJson(value?.toString() ?? 'null')
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
