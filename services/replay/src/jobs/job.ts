import { DEAD_LETTER_REASONS, DEAD_LETTER_STAGE_NAMES, type DeadLetterReason } from '@weir/contracts'
import { parseExactJson } from '@weir/exact-json'
import { z } from 'zod'

const text = z.string().min(1).max(1_000)
const reasons = Object.keys(DEAD_LETTER_REASONS) as [DeadLetterReason, ...DeadLetterReason[]]
const moment = z.union([
  z.number().int(),
  z.iso.datetime({ offset: true }).transform((iso) => Date.parse(iso)),
])

/** Which letters of one stage; what is not given is not asked for. */
export const letterFilter = z.strictObject({
  stage: z.enum(DEAD_LETTER_STAGE_NAMES),
  reason: z.enum(reasons).optional(),
  source: text.optional(),
  /** Epoch ms or ISO; of the last failure, `from` included and `to` not. */
  from: moment.optional(),
  to: moment.optional(),
  /** Fingerprint of the payload's shape. */
  fingerprint: text.optional(),
  /** Record key, which is the entity key `source|interaction id`. */
  key: text.optional(),
  /** Hex. */
  eventKey: z
    .string()
    .regex(/^[\da-f]{32}$/i, 'an event key is 32 hexadecimal digits')
    .toLowerCase()
    .optional(),
  status: z.enum(['pending_inspection', 'replayed', 'discarded', 'any']).default('pending_inspection'),
})
export type LetterFilter = z.infer<typeof letterFilter>

/** How a body is edited before it returns: first as text, then as JSON. The result is marked with the name. */
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
/** One letter in ten seconds. */
export const RATE_MIN = 0.1

export const jobRequest = z.strictObject({
  kind: z.enum(['replay', 'discard']),
  filter: letterFilter,
  ratePerSec: z.number().min(RATE_MIN).max(RATE_MAX).default(1_000),
  /** A letter that was replayed so often already is left alone. */
  replaysMax: z.number().int().min(1).max(100).default(3),
  fixUp: fixUp.optional(),
})
export type JobRequest = z.infer<typeof jobRequest>

/** Stored as `waiting`, a job needs an approval: whatever runs jobs, of any version, leaves it alone. */
export type JobState = 'waiting' | 'running' | 'done' | 'cancelled'

/** What a job needs before it runs, and who has given it. */
export interface Approval {
  /** Entries of REPLAY_APPROVALS. */
  readonly why: readonly string[]
  /** Epoch ms; from then on nobody can approve it. */
  readonly expiresAt: number
  /** Never who asked for the job. Undefined: nobody has. */
  readonly by?: string
  readonly at?: number
}

/** A letter that could not be returned. */
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
  /** Left alone: replayed too often already. */
  readonly guarded: number
  /** Left alone: `stays` says why. */
  readonly unusable: number
}

/** One replay or discard: who, what, how far. The value of `replay.state.v1` under `job|<id>`. */
export interface Job extends JobRequest {
  readonly id: string
  readonly requestedBy: string
  /** Epoch ms. */
  readonly requestedAt: number
  readonly state: JobState
  /** Chunks that are committed. A tick names the step that it is for, so that one that comes twice does nothing. */
  readonly step?: number
  /** By partition: the next offset, and where the topic's decided part ended when the job began. */
  readonly cursor: Readonly<Record<string, string>>
  readonly end: Readonly<Record<string, string>>
  readonly counts: JobCounts
  /** Most letters that it can take, if they were counted when it was asked for. */
  readonly letters?: number | undefined
  /** Undefined: it needs none. */
  readonly approval?: Approval | undefined
  /** The first `STAYING_MAX` of `counts.unusable`. */
  readonly stays?: readonly StayingLetter[]
  readonly finishedAt: number | null
}

export const STAYING_MAX = 20
export const NO_COUNTS: JobCounts = { scanned: 0, matched: 0, done: 0, guarded: 0, unusable: 0 }

/**
 * What `replay.commands.v1` holds; `tick` is the job's own next step, `expire` ends jobs that have waited too long and
 * forgets those that ended long ago. `propose` is `create` where approvals are set, with the places that were counted:
 * a version that knows no approvals passes over it.
 */
export type Command =
  | { readonly kind: 'create'; readonly job: Job }
  | { readonly kind: 'propose'; readonly job: Job }
  | { readonly kind: 'approve'; readonly id: string; readonly by: string }
  | { readonly kind: 'cancel'; readonly id: string }
  | { readonly kind: 'tick'; readonly id: string; readonly step?: number }
  | { readonly kind: 'expire' }

export const tickOf = ({ id, step = 0 }: Job): Command => ({ kind: 'tick', id, step })

export const encodeJson = (value: Command | Job): Buffer => Buffer.from(JSON.stringify(value))

const offsets = z.record(z.string().regex(/^\d{1,5}$/), z.string().regex(/^\d{1,19}$/))
/** As far as calendars go, in epoch ms. */
const TIME_MAX = 8_640_000_000_000_000
/** What the code relies on. Whoever may write to a topic may write anything, and older versions wrote other bounds. */
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
  z.looseObject({ kind: z.literal('approve'), id: z.string(), by: z.string().min(1) }),
  z.looseObject({ kind: z.literal('cancel'), id: z.string() }),
  z.looseObject({ kind: z.literal('tick'), id: z.string(), step: z.number().optional() }),
  z.looseObject({ kind: z.literal('expire') }),
])

/** Undefined for what is not a command. */
export const decodeCommand = (value: Buffer | null): Command | undefined => {
  const command = parse(value)
  return storedCommand.safeParse(command).success ? (command as Command) : undefined
}

/** Undefined for tombstones and what is not a job. */
export const decodeJob = (value: Buffer | null): Job | undefined => {
  const job = parse(value)
  return storedJob.safeParse(job).success ? (job as Job) : undefined
}

const parse = (value: Buffer | null): object | undefined => {
  try {
    // A fix-up may set a number that no double holds.
    const parsed = parseExactJson(value?.toString() ?? 'null')
    return typeof parsed === 'object' && parsed !== null ? parsed : undefined
  } catch {
    return undefined
  }
}
