import { setTimeout as sleep } from 'node:timers/promises'
import { endRepaint, print, repaint } from '../output.ts'
import { ReplayClientError, type ReplayClient } from './replay-client.ts'

interface StayingLetter {
  readonly letter: string
  readonly why: string
}

interface JobCounts {
  readonly matched: number
  readonly guarded?: number
  readonly unusable?: number
}

/** Counts of what a job has done or would do. */
export interface JobOutcome {
  readonly counts?: JobCounts
  readonly stays?: readonly StayingLetter[]
}

interface Approval {
  readonly why: readonly string[]
  readonly expiresAt: number
  readonly by?: string
}

/** Text of `weir dlq jobs` about a job's approval; undefined: the job needs none. */
export const describeApproval = (approval: Approval | undefined, state: unknown): string | undefined => {
  if (approval === undefined) return undefined
  const { why, expiresAt, by } = approval
  if (by !== undefined) return `by ${by}`
  return state === 'waiting'
    ? `waits until ${new Date(expiresAt).toISOString()} (${why.join(', ')})`
    : 'by nobody'
}

const LOOK_MS = 500
const BAR_WIDTH = 30

/**
 * `matched`: letters that were examined and fit; `total`: letters that fitted at the start, undefined when they were
 * not counted.
 */
export const progressBar = (matched: number, total: number | undefined): string => {
  if (total === undefined || total === 0) return `${matched}`
  const filled = Math.min(BAR_WIDTH, Math.floor((BAR_WIDTH * matched) / total))
  return `[${'#'.repeat(filled)}${'-'.repeat(BAR_WIDTH - filled)}] ${matched} of ${total}`
}

/** A line for each kind of letter that fits and was not returned: how many, why, and what helps. */
export const describeOutcome = ({ counts, stays = [] }: JobOutcome): readonly string[] => {
  const { guarded = 0, unusable = 0 } = counts ?? {}
  return [
    ...(guarded > 0 ? [`${guarded} stay: they were returned too often (--replays-max)`] : []),
    ...(unusable > 0
      ? [
          `${unusable} stay: they cannot be returned as they are (weir dlq show, --fix-up)`,
          ...stays.map(({ letter, why }) => `  ${letter}: ${why}`),
          ...(unusable > stays.length && stays.length > 0 ? [`  and ${unusable - stays.length} more`] : []),
        ]
      : []),
  ]
}

/**
 * Waits for the end of a job and shows its progress: in one updated line on a terminal, else in a line per step.
 * Returns at once for a job that waits for an approval, unless the approval has just been given.
 */
export const followJob = async (
  client: ReplayClient,
  id: string,
  { total, isApproved = false }: { readonly total?: number; readonly isApproved?: boolean } = {},
): Promise<void> => {
  let shown = ''
  for (;;) {
    const job = await client.get(`/v1/jobs/${id}`).catch((error: unknown) => {
      // Its first record is not written yet.
      if (error instanceof ReplayClientError && error.message.includes('404')) return { state: 'waiting' }
      throw error
    })
    const counts = 'counts' in job ? (job.counts as JobCounts) : undefined
    const line = `job ${id} ${progressBar(counts?.matched ?? 0, total)}`
    if (line !== shown) repaint(line)
    shown = line
    if (job.state === 'done' || job.state === 'cancelled') {
      endRepaint()
      print(`job ${id} is ${job.state}: ${JSON.stringify(counts)}`, ...describeOutcome(job as JobOutcome))
      return
    }
    if (job.state === 'waiting' && 'approval' in job && !isApproved) {
      const waits = describeApproval(job.approval as Approval, job.state)
      endRepaint()
      print(`job ${id} ${waits}: another operator approves it with weir dlq approve ${id}`)
      return
    }
    await sleep(LOOK_MS)
  }
}
