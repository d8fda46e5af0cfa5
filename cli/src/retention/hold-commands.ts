import { createHash } from 'node:crypto'
import { Holds, type Hold, type Subject } from '@weir/persistence'
import { ConfigError } from '@weir/runtime'
import { InvalidArgumentError, type Command } from 'commander'
import { loadRetentionConfig } from '../config.ts'
import { operatorName, withNotes } from '../operator-notes.ts'
import { print, printRows, progress, withJson, type OutputOptions, type Row } from '../output.ts'

const COLUMNS = {
  id: 'HOLD',
  source: 'SOURCE',
  interactionId: 'INTERACTION',
  customerIdentifier: 'CUSTOMER',
  placedAt: 'PLACED',
  placedBy: 'BY',
  reason: 'WHY',
  releasedAt: 'RELEASED',
  releasedBy: 'BY',
  releaseReason: 'WHY',
}

interface SubjectOptions {
  readonly source?: string
  readonly interaction?: string
  readonly customer?: string
}

const subjectOf = ({ source, interaction, customer }: SubjectOptions): Subject => {
  if (interaction !== undefined && customer === undefined && source !== undefined) {
    return { source, interactionId: interaction }
  }
  if (customer !== undefined && interaction === undefined) return { source, customerIdentifier: customer }
  throw new ConfigError(
    'Name one subject: --source and --interaction, or --customer with or without --source.',
  )
}

/** For the audit log, which is never deleted: a customer's number or address is noted by its hash. */
const notedSubject = (subject: Subject): Readonly<Record<string, unknown>> =>
  'interactionId' in subject
    ? { source: subject.source, interaction: subject.interactionId }
    : {
        ...(subject.source !== undefined && { source: subject.source }),
        customerSha256: createHash('sha256').update(subject.customerIdentifier).digest('hex'),
      }

const text = (value: string): string => {
  if (value.trim() === '') throw new InvalidArgumentError('must not be empty.')
  return value
}

const id = (value: string): string => {
  if (!/^\d{1,18}$/.test(value))
    throw new InvalidArgumentError('must be the number of a hold: see `weir hold ls`.')
  return value
}

const rowOf = (hold: Hold): Row => ({
  ...hold,
  placedAt: hold.placedAt.toISOString(),
  releasedAt: hold.releasedAt?.toISOString(),
})

const withHolds = async (
  use: (holds: Holds, config: ReturnType<typeof loadRetentionConfig>) => Promise<void>,
): Promise<void> => {
  const config = loadRetentionConfig()
  const holds = new Holds(config)
  try {
    await use(holds, config)
  } finally {
    await holds.close()
  }
}

const add = ({ reason, ...options }: SubjectOptions & { readonly reason: string }): Promise<void> => {
  const subject = subjectOf(options)
  return withHolds((holds, config) =>
    withNotes(config, async (note) => {
      await note('hold.add', { ...notedSubject(subject), reason })
      const { id: hold } = await holds.add(subject, operatorName(), reason)
      const rows = await holds.count(subject)
      print(`hold ${hold} is placed: it protects ${rows} rows now, and those that arrive later`)
      if (rows === 0) progress('No row has this subject yet: check that it is written as in the database.')
    }),
  )
}

const release = (hold: string, { reason }: { readonly reason: string }): Promise<void> =>
  withHolds((holds, config) =>
    withNotes(config, async (note) => {
      await note('hold.release', { hold, reason })
      const released = await holds.release(hold, operatorName(), reason)
      if (released === undefined) throw new ConfigError(`No hold ${hold} stands: see \`weir hold ls\`.`)
      print(`hold ${hold} is released: the next retention run deletes what is old enough`)
    }),
  )

/** `weir hold ...`: legal holds. */
export const addHoldCommands = (program: Command): void => {
  const hold = program
    .command('hold')
    .description('Legal holds: rows of a held subject survive every retention run. Needs DATABASE_OWNER_URL.')
  hold
    .command('add')
    .description('Holds an interaction, or every interaction of a customer, from now on.')
    .option('--source <name>', 'the source')
    .option('--interaction <id>', 'the interaction of that source')
    .option(
      '--customer <identifier>',
      'the customer as in customer_identifier, of any source unless --source says one',
    )
    .requiredOption('--reason <text>', 'why, such as the number of the case', text)
    .action(add)
  withJson(hold.command('ls'))
    .description('Lists the holds that stand: what, who, when and why.')
    .option('--all', 'also those that were released')
    .action(({ all = false, json = false }: OutputOptions & { readonly all?: boolean }) =>
      withHolds(async (holds) => printRows(COLUMNS, (await holds.list({ all })).map(rowOf), { json })),
    )
  hold
    .command('release <hold>')
    .description('Ends a hold. Its record stays.')
    .requiredOption('--reason <text>', 'why', text)
    .action((hold: string, options: { readonly reason: string }) => release(id(hold), options))
}
