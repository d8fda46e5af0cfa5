import type { Approval, Job, JobRequest } from './job.ts'

/** Says which jobs another operator must approve. */
export interface Approvals {
  readonly fixUps: boolean
  readonly discards: boolean
  /** Jobs that can take more letters than this. */
  readonly over: number | undefined
}

export const NO_APPROVALS: Approvals = { fixUps: false, discards: false, over: undefined }

/** Time from the request after which a job without approval is cancelled. */
export const APPROVAL_MS_MAX = 72 * 3_600_000

const FIX_UP = 'fix-up'
const DISCARD = 'discard'
const OVER = /^over:(\d{1,9})$/

export const approvalProblems = (entries: readonly string[]): readonly string[] =>
  entries
    .filter((entry) => entry !== FIX_UP && entry !== DISCARD && !OVER.test(entry))
    .map((entry) => `REPLAY_APPROVALS has '${entry}': give ${FIX_UP}, ${DISCARD} or over:<letters>.`)

/** Parses entries that have no `approvalProblems`. The lowest of several limits counts. */
export const parseApprovals = (entries: readonly string[]): Approvals => {
  const bounds = entries.flatMap((entry) => OVER.exec(entry)?.[1] ?? []).map(Number)
  return {
    fixUps: entries.includes(FIX_UP),
    discards: entries.includes(DISCARD),
    over: bounds.length > 0 ? Math.min(...bounds) : undefined,
  }
}

export const areNeeded = ({ fixUps, discards, over }: Approvals): boolean =>
  fixUps || discards || over !== undefined

/** Why a job needs an approval. `letters` is the most that it can take; undefined: not counted. */
const whyNeeded = (
  { kind, fixUp }: JobRequest,
  letters: number | undefined,
  { fixUps, discards, over }: Approvals,
): readonly string[] => [
  ...(fixUps && fixUp !== undefined ? [FIX_UP] : []),
  ...(discards && kind === 'discard' ? [DISCARD] : []),
  ...(over !== undefined && (letters === undefined || letters > over) ? [`over:${over}`] : []),
]

/** Undefined: neither these settings nor those of the instance that took the request require an approval. */
export const approvalOf = (job: Job, approvals: Approvals): Approval | undefined => {
  const why = [...new Set([...(job.approval?.why ?? []), ...whyNeeded(job, job.letters, approvals)])]
  return why.length === 0 ? undefined : { why, expiresAt: job.requestedAt + APPROVAL_MS_MAX }
}

/** `Ann` is not a second pair of eyes beside `ann`. */
export const isSameName = (one: string, other: string): boolean => one.toLowerCase() === other.toLowerCase()

/** Why this name may not approve the job; undefined: it may. */
export const whyNotApproved = (job: Job, name: string, now: number): string | undefined => {
  const { approval, state, requestedBy } = job
  if (approval === undefined) return 'the job needs no approval'
  if (state !== 'waiting') return `the job is ${state}, so it does not wait for an approval`
  if (now >= approval.expiresAt) return 'the job waited too long for its approval: request it again'
  if (isSameName(name, requestedBy))
    return `${name} requested the job, so an operator with another name must approve it`
  return undefined
}
