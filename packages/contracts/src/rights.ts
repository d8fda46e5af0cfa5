import { LETTER_TOPICS } from './dead-letter-stages.ts'
import { STAGE_TOPICS, type ConsumingStage } from './stages.ts'
import { topicNames, type TopicRole } from './topics.ts'

/** What a user of Kafka may do, as an access control list has it. */
export interface Right {
  readonly resource: 'topic' | 'group' | 'transactional id'
  readonly name: string
  /** `prefixed`: everything whose name begins so. */
  readonly pattern: 'literal' | 'prefixed'
  readonly operations: readonly ('Read' | 'Write' | 'DescribeConfigs')[]
}

interface Access {
  readonly reads: readonly TopicRole[]
  readonly writes: readonly TopicRole[]
  /** Stages that it runs. */
  readonly stages: readonly ConsumingStage[]
  /** Whether it notes what people do. */
  readonly notes?: boolean
}

const stages = (...names: readonly ConsumingStage[]): Access => {
  const all = names.map((name) => STAGE_TOPICS[name] as (typeof STAGE_TOPICS)[ConsumingStage] & StageLike)
  const kept: readonly TopicRole[] = [...all.flatMap(({ state }) => state ?? []), 'starts', 'settings']
  return {
    stages: names,
    reads: [...all.flatMap(({ inputs, reads = [] }) => [...inputs, ...reads]), ...kept],
    writes: [...all.flatMap(({ outputs }) => outputs), ...kept],
  }
}

interface StageLike {
  readonly reads?: readonly TopicRole[]
  readonly state?: TopicRole
}

/** Topics that the console reads. */
export const CONSOLE_TOPICS: readonly TopicRole[] = ['received', 'unique', 'seen', ...LETTER_TOPICS]

const replay = stages('replay')

const ACCESS = {
  ingress: { reads: ['settings'], writes: ['received', 'settings'], stages: [] },
  dedup: stages('dedup'),
  normalizer: stages('normalizer', 'normalizer-schemas'),
  persistence: stages('persistence'),
  'metric-export': stages('metric-export'),
  console: { reads: [...CONSOLE_TOPICS, 'auditLog'], writes: ['auditLog'], stages: [], notes: true },
  // It reads the letters that it returns.
  replay: {
    ...replay,
    reads: [...replay.reads, ...LETTER_TOPICS, 'auditLog'],
    writes: [...replay.writes, 'auditLog'],
    notes: true,
  },
} satisfies Record<string, Access>

export type KafkaService = keyof typeof ACCESS
export const KAFKA_SERVICES = Object.keys(ACCESS) as readonly KafkaService[]

/** The brokers' own: read to see whether a commit can be lost, and how a transaction ended. */
const INTERNAL = ['__consumer_offsets', '__transaction_state'] as const

/** All that a service needs of Kafka, where the topics are made by `weir topics` with rights of their own. */
export const rightsOf = (service: KafkaService, prefix = ''): readonly Right[] => {
  const { reads, writes, stages: names, notes = false }: Access = ACCESS[service]
  const topics = topicNames(prefix)
  const rights: Right[] = [...new Set([...reads, ...writes])].map((role) => ({
    resource: 'topic',
    name: topics[role],
    pattern: 'literal',
    operations: [
      ...(reads.includes(role) ? (['Read'] as const) : []),
      ...(writes.includes(role) ? (['Write'] as const) : []),
      'DescribeConfigs',
    ],
  }))
  for (const stage of names) {
    rights.push(
      { resource: 'group', name: prefix + stage, pattern: 'literal', operations: ['Read'] },
      {
        resource: 'transactional id',
        name: `${prefix}${stage}-`,
        pattern: 'prefixed',
        operations: ['Write'],
      },
    )
  }
  if (notes) {
    const name = `${prefix}audit-`
    rights.push({ resource: 'transactional id', name, pattern: 'prefixed', operations: ['Write'] })
  }
  if (names.length > 0 || notes) {
    for (const name of INTERNAL) {
      rights.push({ resource: 'topic', name, pattern: 'literal', operations: ['Read', 'DescribeConfigs'] })
    }
  }
  return rights
}
