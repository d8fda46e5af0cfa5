import type { Approval, Job, JobRequest } from './job.ts'

/** Which jobs another operator has to approve. */
export interface Approvals {
  readonly fixUps: boolean
  readonly discards: boolean
  /** Jobs that can take more letters. */
  readonly over: number | undefined
}

export const NO_APPROVALS: Approvals = { fixUps: false, discards: false, over: undefined }

/** From the request on; what nobody has approved by then is cancelled. */
export const APPROVAL_MS_MAX = 72 * 3_600_000

const FIX_UP = 'fix-up'
const DISCARD = 'discard'
const OVER = /^over:(\d{1,9})$/

export const approvalProblems = (entries: readonly string[]): readonly string[] =>
  entries
    .filter((entry) => entry !== FIX_UP && entry !== DISCARD && !OVER.test(entry))
    .map((entry) => `REPLAY_APPROVALS has '${entry}': give ${FIX_UP}, ${DISCARD} or over:<letters>.`)

/** Of entries that have no `approvalProblems`; of several bounds the lowest counts. */
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

/** Why a job needs an approval; `letters`: most that it can take, undefined when nobody has counted them. */
const whyNeeded = (
  { kind, fixUp }: JobRequest,
  letters: number | undefined,
  { fixUps, discards, over }: Approvals,
): readonly string[] => [
  ...(fixUps && fixUp !== undefined ? [FIX_UP] : []),
  ...(discards && kind === 'discard' ? [DISCARD] : []),
  ...(over !== undefined && (letters === undefined || letters > over) ? [`over:${over}`] : []),
]

/** Undefined: it needs none, neither by these settings nor by those of the instance that was asked for the job. */
export const approvalOf = (job: Job, approvals: Approvals): Approval | undefined => {
  const why = [...new Set([...(job.approval?.why ?? []), ...whyNeeded(job, job.letters, approvals)])]
  return why.length === 0 ? undefined : { why, expiresAt: job.requestedAt + APPROVAL_MS_MAX }
}

/** What keeps this name from approving the job; undefined: nothing. */
export const whyNotApproved = (job: Job, name: string, now: number): string | undefined => {
  const { approval, state, requestedBy } = job
  if (approval === undefined) return 'the job needs no approval'
  if (state !== 'waiting') return `the job is ${state}: it does not wait for an approval`
  if (now >= approval.expiresAt) return 'the job has waited too long: ask for it again'
  if (name === requestedBy) return `${name} has asked for the job: another name has to approve it`
  return undefined
}
