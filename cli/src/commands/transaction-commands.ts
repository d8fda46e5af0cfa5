import { topicNames } from '@weir/contracts'
import { endTransactions } from '@weir/kafka'
import { InvalidArgumentError, type Command } from 'commander'
import { loadOffsetsConfig } from '../config.ts'
import { noted } from '../operator-notes.ts'
import { print } from '../output.ts'

type Outcome = 'commit' | 'abort'

const outcome = (text: string): Outcome => {
  if (text !== 'commit' && text !== 'abort') throw new InvalidArgumentError('must be commit or abort.')
  return text
}

const end = async (transactionalId: string, { as }: { readonly as: Outcome }): Promise<void> => {
  const settings = loadOffsetsConfig()
  const topics = Object.values(topicNames(settings.topicPrefix))
  const ended = await noted(settings, 'transactions.end', { transactionalId, as }, () =>
    endTransactions({ settings, transactionalId, decision: as, topics }),
  )
  if (ended.length === 0) print('nothing is open')
  for (const { open, outcome: how } of ended) {
    print(`${open.topic}/${open.partition}: open from offset ${open.from}, ended: ${how}`)
  }
}

/** `weir transactions ...`: for partitions that are parked because the outcome of a transaction is unknown. */
export const addTransactionCommands = (program: Command): void => {
  program
    .command('transactions')
    .description('Ends transactions that brokers have left open.')
    .command('end')
    .description(
      'Ends what is open of a transactional id: as it was decided if that is known, else as you specify. ' +
        'The partition continues by itself within a minute.',
    )
    .argument('<transactional-id>', 'as in the message of the parked partition')
    .requiredOption('--as <outcome>', 'commit or abort', outcome)
    .action(end)
}
