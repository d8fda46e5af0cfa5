import { createInterface } from 'node:readline/promises'
import { DEAD_LETTER_STAGE_NAMES } from '@weir/contracts'
import { ConfigError } from '@weir/runtime'
import type { Command } from 'commander'
import { describeApproval, describeOutcome, followJob, type JobOutcome } from '../replay/follow-job.ts'
import {
  print,
  printJson,
  printPage,
  printPart,
  printRows,
  whenTaken,
  withJson,
  type OutputOptions,
} from '../output.ts'
import { readFixUp } from '../replay/read-fix-up.ts'
import { replayClient } from '../replay/replay-client.ts'
import { pagesOf } from '../replay/replay-pages.ts'

interface FilterOptions {
  readonly reason?: string
  readonly source?: string
  readonly from?: string
  readonly to?: string
  readonly fingerprint?: string
  readonly key?: string
  readonly eventKey?: string
  readonly status?: string
}
interface JobOptions extends FilterOptions {
  readonly dryRun?: boolean
  readonly rate?: string
  readonly replaysMax?: string
  readonly fixUp?: string
  readonly yes?: boolean
}

const LETTER_COLUMNS = {
  place: 'PLACE',
  failedAt: 'LAST FAILED',
  status: 'STATUS',
  reason: 'REASON',
  source: 'SOURCE',
  key: 'KEY',
  fingerprint: 'SHAPE',
  error: 'ERROR',
}
const JOB_COLUMNS = {
  id: 'JOB',
  kind: 'KIND',
  state: 'STATE',
  requestedBy: 'REQUESTED BY',
  approval: 'APPROVED',
  filter: 'LETTERS',
  counts: 'COUNTS',
}

const withFilter = (command: Command): Command =>
  command
    .argument('<stage>', DEAD_LETTER_STAGE_NAMES.join(', '))
    .option('--reason <reason>', 'the dead-letter reason')
    .option('--source <source>', 'the source')
    .option('--from <time>', 'failed at this ISO time or later')
    .option('--to <time>', 'failed before this ISO time')
    .option('--fingerprint <fingerprint>', "the payload's shape")
    .option('--key <key>', 'record key: source|interaction id')
    .option('--event-key <hex>', 'event key')
    .option('--status <status>', 'pending_inspection (default), replayed, discarded or any')

const filterOf = (stage: string, options: FilterOptions): Record<string, string> => {
  const { reason, source, from, to, fingerprint, key, eventKey, status } = options
  const wanted = { stage, reason, source, from, to, fingerprint, key, eventKey, status }
  return Object.fromEntries(
    Object.entries(wanted).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  )
}

const startJob = async (kind: 'replay' | 'discard', stage: string, options: JobOptions): Promise<void> => {
  const client = replayClient()
  const filter = filterOf(stage, options)
  const job = {
    kind,
    filter,
    ...(options.rate !== undefined && { ratePerSec: Number(options.rate) }),
    ...(options.replaysMax !== undefined && { replaysMax: Number(options.replaysMax) }),
    ...(options.fixUp !== undefined && { fixUp: readFixUp(options.fixUp) }),
  }
  const isAsked = kind === 'discard' && Object.keys(filter).length === 1 && !options.yes && !options.dryRun
  if (isAsked && !process.stdin.isTTY) throw new ConfigError(allLetters(stage))
  const rehearsal = (await client.post('/v1/jobs', { ...job, dryRun: true })) as unknown as JobOutcome & {
    readonly count: number
  }
  if (options.dryRun) {
    print(`${rehearsal.count} letters match`)
    print(...describeOutcome(rehearsal))
    return
  }
  if (isAsked && !(await isConfirmed(`Discard all ${rehearsal.count} letters of ${stage}? [y/N] `))) {
    throw new Error('Nothing was discarded.')
  }
  const { id } = await client.post('/v1/jobs', job)
  await followJob(client, String(id), { total: rehearsal.count })
}

const approve = async (id: string, { yes }: { readonly yes?: boolean }): Promise<void> => {
  if (!yes && !process.stdin.isTTY) throw new ConfigError('This would run a job: read it, then give --yes.')
  const client = replayClient()
  const path = `/v1/jobs/${encodeURIComponent(id)}`
  const { kind, requestedBy, requestedAt, filter, letters, ratePerSec, fixUp } = await client.get(path)
  printJson({ kind, requestedBy, filter, letters, ratePerSec, fixUp })
  if (!yes && !(await isConfirmed(`Approve job ${id}? [y/N] `))) throw new Error('Nothing was approved.')
  await client.post(`${path}/approve`, { requestedAt })
  await followJob(client, id, { isApproved: true, ...(typeof letters === 'number' && { total: letters }) })
}

const allLetters = (stage: string): string =>
  `This would discard every pending letter of ${stage}. Give a filter such as --reason, or --yes.`

const isConfirmed = async (question: string): Promise<boolean> => {
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return /^y(es)?$/i.test((await terminal.question(question)).trim())
  } finally {
    terminal.close()
  }
}

const list = async (
  stage: string,
  { limit, json = false, ...filter }: FilterOptions & OutputOptions & { readonly limit: string },
): Promise<void> => {
  const letters = await pagesOf(replayClient(), 'letters', filterOf(stage, filter), Number(limit))
  const rows = letters.map((letter) => ({
    ...letter,
    place: `${String(letter.partition)}/${String(letter.offset)}`,
    failedAt: new Date(Number(letter.lastFailedAt)).toISOString(),
  }))
  printRows(LETTER_COLUMNS, json ? letters : rows, { json })
}

const addJobCommands = (dlq: Command): void => {
  withFilter(dlq.command('replay').description('Returns letters to the stage that gave them up.'))
    .option(
      '--dry-run',
      'change nothing; report how many letters return with this fix-up, and why others stay',
    )
    .option('--rate <n>', 'letters per second', '1000')
    .option('--replays-max <n>', 'skip letters that were replayed this often', '3')
    .option('--fix-up <file>', 'edit the bodies first (YAML: name, replaceText, rename, set, remove)')
    .action((stage: string, options: JobOptions) => startJob('replay', stage, options))
  withFilter(
    dlq.command('discard').description('Marks letters as discarded; their bytes stay until they expire.'),
  )
    .option('--dry-run', 'only say how many')
    .option('--yes', 'discard every pending letter of the stage without a filter, and do not ask')
    .action((stage: string, options: JobOptions) => startJob('discard', stage, options))
  withJson(dlq.command('jobs').description('Lists replays and discards, newest first: who, what, how far.'))
    .option('--limit <n>', 'at most so many', '100')
    .action(async ({ limit, json = false }: OutputOptions & { readonly limit: string }) => {
      const jobs = await pagesOf(replayClient(), 'jobs', {}, Number(limit))
      const rows = jobs.map((job) => ({
        ...job,
        approval: describeApproval(job.approval as Parameters<typeof describeApproval>[0], job.state),
      }))
      printRows(JOB_COLUMNS, json ? jobs : rows, { json })
    })
  dlq
    .command('approve <job>')
    .description('Shows a job that another operator has asked for, fix-up included, and lets it run.')
    .option('--yes', 'do not ask')
    .action(approve)
  dlq
    .command('cancel <job>')
    .description('Ends a job; letters that it has returned stay returned.')
    .action(async (id: string) => {
      const client = replayClient()
      await client.post(`/v1/jobs/${encodeURIComponent(id)}/cancel`)
      await followJob(client, id)
    })
}

/** `weir dlq ...`: the functions of the replay service's HTTP API, called through it. */
export const addDlqCommands = (program: Command): void => {
  const dlq = program
    .command('dlq')
    .description(
      'Dead letters: list, show, replay, discard, export. REPLAY_URL and REPLAY_TOKEN name the service.',
    )
  withJson(withFilter(dlq.command('ls').description('Lists letters, one line each.')))
    .option('--limit <n>', 'at most so many', '100')
    .action(list)
  dlq
    .command('show <stage> <place>')
    .description('Shows one letter (place: partition/offset) with the first bytes of its body.')
    .action(async (stage: string, place: string) => {
      if (!/^\d+\/\d+$/.test(place)) {
        throw new ConfigError(`${place} is not a place: give partition/offset, such as 3/1041.`)
      }
      const { preview, ...letter } = await replayClient().get(
        `/v1/letters/${encodeURIComponent(stage)}/${place}`,
      )
      printJson(letter)
      printPage(String(preview))
    })
  withFilter(dlq.command('export').description('Writes letters as JSON lines.'))
    .option(
      '--format <format>',
      'weir (every byte), or as an earlier system: cxone (s0), cognigy (s1), cxone-router (s2), cxone-dataaction (s3), cxone-dataaction-full (s3-full), nice (s4)',
      'weir',
    )
    .action(async (stage: string, options: FilterOptions & { format: string }) => {
      const query = new URLSearchParams({ ...filterOf(stage, options), format: options.format })
      for await (const text of replayClient().stream(`/v1/letters/export?${query.toString()}`)) {
        printPart(text)
        await whenTaken()
      }
    })
  addJobCommands(dlq)
}
