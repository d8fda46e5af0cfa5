import { portVariable, PROCESSING_SERVICES, type ServiceName } from '@weir/contracts'
import { askHttp, type ListedPartition, NoAnswerError } from '@weir/runtime'
import { InvalidArgumentError, type Command } from 'commander'
import { loadStartConfig } from '../config.ts'
import { print, printRows, withJson, type OutputOptions, type Row } from '../output.ts'

class NotAnsweredError extends Error {
  override readonly name = 'NotAnsweredError'
}

const service = (text: string): ServiceName => {
  const found = PROCESSING_SERVICES.find((name) => name === text)
  if (found === undefined) throw new InvalidArgumentError(`must be one of ${PROCESSING_SERVICES.join(', ')}.`)
  return found
}

const partition = (text: string): number => {
  if (!/^\d{1,5}$/.test(text)) throw new InvalidArgumentError('must be a whole number.')
  return Number(text)
}

const TIMEOUT_MS = 10_000

/** Sends a request to a process on this machine. */
const ask = async <T>(name: ServiceName, method: 'GET' | 'POST', path: string): Promise<T> => {
  const port = loadStartConfig()[`${name}Port`]
  try {
    const { status, text } = await askHttp(`http://127.0.0.1:${port}${path}`, {
      method,
      timeoutMs: TIMEOUT_MS,
    })
    if (status === 200) return JSON.parse(text) as T
    throw new NotAnsweredError(`${name} responds with status ${status} on port ${port}.`)
  } catch (error) {
    if (!(error instanceof NoAnswerError || error instanceof SyntaxError)) throw error
    throw new NotAnsweredError(`${name} does not respond on port ${port}: set ${portVariable(name)}.`, {
      cause: error,
    })
  }
}

const COLUMNS = { stage: 'STAGE', partition: 'PARTITION', state: 'STATE', why: 'WHY' }

const list = async ({
  service: wanted,
  json = false,
}: OutputOptions & { readonly service?: ServiceName }): Promise<void> => {
  const rows: Row[] = []
  for (const name of wanted === undefined ? PROCESSING_SERVICES : [wanted]) {
    try {
      rows.push(
        ...((await ask<readonly ListedPartition[]>(
          name,
          'GET',
          '/partitions',
        )) as readonly object[] as Row[]),
      )
    } catch (error) {
      if (wanted !== undefined || !(error instanceof NotAnsweredError)) throw error
      rows.push({ stage: name, state: 'unknown', why: error.message })
    }
  }
  printRows(COLUMNS, rows, { json })
}

const resume = async (options: {
  readonly service: ServiceName
  readonly partition?: number
}): Promise<void> => {
  const query = options.partition === undefined ? '' : `?partition=${options.partition}`
  const { resumed } = await ask<{ readonly resumed: readonly string[] }>(
    options.service,
    'POST',
    `/partitions/resume${query}`,
  )
  print(resumed.length === 0 ? 'none is parked' : `tried again now: ${resumed.join('; ')}`)
}

/** `weir partitions ...`: shows which partitions the processes of this machine own. */
export const addPartitionCommands = (program: Command): void => {
  const commands = program
    .command('partitions')
    .description('Shows the partitions that the services of this machine own, and retries parked ones.')
  withJson(commands.command('ls'))
    .description('Lists each partition with its state, why it is parked, and what to do.')
    .option('--service <name>', PROCESSING_SERVICES.join(', '), service)
    .action(list)
  commands
    .command('resume')
    .description('Retries parked partitions now; each is also retried every minute.')
    .requiredOption('--service <name>', PROCESSING_SERVICES.join(', '), service)
    .option('--partition <number>', 'only this one', partition)
    .action(resume)
}
