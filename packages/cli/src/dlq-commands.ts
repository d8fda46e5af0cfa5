import type { Command } from 'commander'
import { followJob } from './follow-job.ts'
import { guarded } from './guarded.ts'
import { readFixUp } from './read-fix-up.ts'
import { replayClient, ReplayClientError } from './replay-client.ts'

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
}

const EXPECTED = [ReplayClientError]

const print = (text: string): void => {
  process.stdout.write(`${text}\n`)
}

const withFilter = (command: Command): Command =>
  command
    .argument('<stage>', 'dedup, normalizer or persistence')
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
  const fixUp = options.fixUp && readFixUp(options.fixUp)
  const filter = filterOf(stage, options)
  const { count } = await client.post('/v1/jobs', { kind, filter, dryRun: true })
  if (options.dryRun) {
    print(`${String(count)} letters match`)
    return
  }
  const { id } = await client.post('/v1/jobs', {
    ...{ kind, filter },
    ...(options.rate !== undefined && { ratePerSec: Number(options.rate) }),
    ...(options.replaysMax !== undefined && { replaysMax: Number(options.replaysMax) }),
    ...(fixUp && { fixUp }),
  })
  await followJob(client, String(id), Number(count))
}

/** `weir dlq ...`: the same as the replay service's HTTP API, through it. */
export const addDlqCommands = (program: Command): void => {
  const dlq = program
    .command('dlq')
    .description(
      'Dead letters: list, show, replay, discard, export. REPLAY_URL and REPLAY_TOKEN name the service.',
    )
  withFilter(dlq.command('ls').description('Lists letters, one line each.'))
    .option('--limit <n>', 'at most so many', '100')
    .action(
      guarded(EXPECTED, async (stage: string, options: FilterOptions & { limit: string }) => {
        const query = new URLSearchParams({ ...filterOf(stage, options), limit: options.limit })
        const { letters } = await replayClient().get(`/v1/letters?${query.toString()}`)
        for (const letter of letters as Record<string, string | number>[]) {
          const { partition, offset, status, reason, source, key, fingerprint, lastFailedAt, error } = letter
          const at = new Date(Number(lastFailedAt)).toISOString()
          print(
            [`${partition}/${offset}`, at, status, reason, source, key, fingerprint ?? '-', error].join('  '),
          )
        }
      }),
    )
  dlq
    .command('show <stage> <place>')
    .description('Shows one letter (place: partition/offset) with the first bytes of its body.')
    .action(
      guarded(EXPECTED, async (stage: string, place: string) => {
        const { preview, ...letter } = await replayClient().get(`/v1/letters/${stage}/${place}`)
        print(JSON.stringify(letter, null, 2))
        print(String(preview))
      }),
    )
  withFilter(dlq.command('replay').description('Returns letters to the stage that gave them up.'))
    .option('--dry-run', 'only say how many')
    .option('--rate <n>', 'letters per second', '1000')
    .option('--replays-max <n>', 'leave alone what was replayed so often', '3')
    .option('--fix-up <file>', 'edit the bodies first (YAML: name, replaceText, rename, set, remove)')
    .action(guarded(EXPECTED, (stage: string, options: JobOptions) => startJob('replay', stage, options)))
  withFilter(
    dlq.command('discard').description('Marks letters as discarded; their bytes stay until they expire.'),
  )
    .option('--dry-run', 'only say how many')
    .action(guarded(EXPECTED, (stage: string, options: JobOptions) => startJob('discard', stage, options)))
  withFilter(dlq.command('export').description('Writes letters as JSON lines.'))
    .option(
      '--format <format>',
      'weir (every byte), or as an earlier system: cxone (s0), cognigy (s1), cxone-router (s2), cxone-dataaction (s3), cxone-dataaction-full (s3-full), nice (s4)',
      'weir',
    )
    .action(
      guarded(EXPECTED, async (stage: string, options: FilterOptions & { format: string }) => {
        const query = new URLSearchParams({ ...filterOf(stage, options), format: options.format })
        process.stdout.write(await replayClient().text(`/v1/letters/export?${query.toString()}`))
      }),
    )
  dlq
    .command('jobs')
    .description('Lists replays and discards: who, what, how far.')
    .action(
      guarded(EXPECTED, async () => {
        const { jobs } = await replayClient().get('/v1/jobs')
        for (const { id, kind, state, requestedBy, filter, counts } of jobs as Record<string, unknown>[]) {
          print([id, kind, state, requestedBy, JSON.stringify(filter), JSON.stringify(counts)].join('  '))
        }
      }),
    )
  dlq
    .command('cancel <job>')
    .description('Ends a job; what it has returned stays returned.')
    .action(
      guarded(EXPECTED, async (id: string) => {
        const client = replayClient()
        await client.post(`/v1/jobs/${id}/cancel`)
        await followJob(client, id)
      }),
    )
}
