/** What is wrong in the source while a defect is planted: `find` must be in the file exactly once. */
export interface Mutation {
  /** From the root of the workspace. */
  readonly file: string
  readonly find: string
  readonly replace: string
}

/**
 * By the value of WEIR_DEFECT. Code that cannot be changed so, a run cannot plant; a unit test says when one no longer
 * fits.
 */
export const MUTATIONS = {
  /** The leader alone acknowledges: what the followers have not fetched dies with it. */
  acks1: [{ file: 'packages/kafka/src/produce/lanes.ts', find: 'acks: -1', replace: 'acks: 1' }],
  /** Ingress acknowledges a webhook before the brokers have it. */
  ack_before_produce: [
    {
      file: 'services/ingress/src/receive/receiver.ts',
      find: 'const sent = lanes.sendAll(records)',
      replace: 'lanes.sendAll(records).catch(() => undefined)\n' + '    const sent = Promise.resolve()',
    },
  ],
  /** A filter's perhaps is taken for a yes. */
  bloom_only: [
    {
      file: 'packages/seen-keys/src/store/bucket-set.ts',
      find: 'if (bodyHash !== undefined) return { bodyHash, at: 0 }',
      replace:
        "return { at: 0, bodyHash: bodyHash ?? ({ equals: () => true, toString: () => '' } as unknown as Buffer) }",
    },
    // Keys get a filter when they are written: soon, so that a short run has many.
    {
      file: 'services/dedup/src/config.ts',
      find: 'export const FRESH_KEYS_MAX = 65_536',
      replace: 'export const FRESH_KEYS_MAX = 256',
    },
  ],
  /** Keys are remembered although their transaction may still fail. */
  memory_before_commit: [
    {
      file: 'services/dedup/src/dedup-task.ts',
      find: 'await this.#apply(change, written.get(`${topics.seen}/${partition}`)!)',
      replace: 'await Promise.resolve(written)',
    },
    {
      file: 'services/dedup/src/dedup-task.ts',
      find: 'outputs.push(...state)',
      // The place after the last state record is not known yet; every later one is further on.
      replace:
        'outputs.push(...state)\n    void this.#apply(change, this.#restored!.store.stateOffset + BigInt(state.length + 1))',
    },
  ],
  /** A producer with a new transactional id each time cannot be fenced. */
  random_transactional_id: [
    {
      file: 'packages/kafka/src/processor/task-runner.ts',
      find: 'const transactionalId = `${processor.settings.topicPrefix}${processor.service}-${partition}`',
      replace:
        "const transactionalId = `${processor.service}-${partition}-${randomBytes(4).toString('hex')}`",
    },
  ],
  /** The offset is committed first, the rows later. */
  offset_before_db: [
    {
      file: 'packages/row-sink/src/row-task.ts',
      find: 'const results = await retrying(() => sink.write(events))',
      replace: "const results = events.map((): RowResult => ({ kind: 'stored' }))",
    },
    {
      file: 'packages/row-sink/src/row-task.ts',
      find: 'committed: () => {',
      replace: 'committed: async () => {\n        await retrying(() => sink.write(events))',
    },
  ],
  /** What was aborted, or is not committed yet, is taken for true. */
  read_uncommitted: [
    {
      file: 'packages/kafka/src/client/kafkajs-internals.ts',
      find: 'const READ_COMMITTED = 1',
      replace: 'const READ_COMMITTED = 0',
    },
  ],
  /** A commit whose reply is lost counts as done. */
  assume_committed: [
    {
      file: 'packages/kafka/src/transactions/transactional-producer.ts',
      // Nor is it asked whether the transaction has ended as it should.
      find: 'await transaction.commit()\n    if (places.length > 0 && this.#canLook) {',
      replace: 'await transaction.commit().catch(() => undefined)\n    if (places.length < 0) {',
    },
  ],
  /** A commit whose reply is lost counts as not done: the same is sent again from memory. */
  resend_from_memory: [
    {
      file: 'packages/kafka/src/processor/task-runner.ts',
      find: 'const written = await producer.commit(processed.outputs, [',
      replace: 'const written = await commitTwice(producer, processed.outputs, [',
    },
    {
      file: 'packages/kafka/src/processor/task-runner.ts',
      find: 'const NOTHING: ProcessedBatch',
      replace:
        'const commitTwice = (producer: TransactionalProducer, ...batch: Parameters<TransactionalProducer["commit"]>) =>\n' +
        '  producer.commit(...batch).catch(() => producer.commit(...batch))\n\nconst NOTHING: ProcessedBatch',
    },
  ],
  /** The offset is committed in a transaction of its own, before the outputs are sent. */
  offsets_first: [
    {
      file: 'packages/kafka/src/transactions/transactional-producer.ts',
      find: "onStep?.('begin', outputs)\n",
      replace: [
        "onStep?.('begin', outputs)",
        'await this.#ended',
        'const early = offsets.map(({ topic, partition, offset, metadata }) => ({ topic, partitions: [{ partition, offset: String(offset), metadata }] }))',
        'const first = await this.#producer.transaction()',
        'await first.sendOffsets({ consumerGroupId: places.groupId, topics: early })',
        'await first.commit()',
        '',
      ].join('\n      '),
    },
  ],
  /** What was not acknowledged in a transaction is committed as if it were. */
  send_ignored: [
    {
      file: 'packages/kafka/src/transactions/transactional-producer.ts',
      find: 'if (failed) throw (failed as PromiseRejectedResult).reason',
      replace: 'void failed',
    },
    // A send is given up before the partition has another leader; what coordinators are asked is not.
    {
      file: 'packages/kafka/src/transactions/transaction-client.ts',
      find: 'allowAutoTopicCreation: false,',
      replace: 'allowAutoTopicCreation: false, retry: { retries: 1 },',
    },
  ],
  /**
   * A request that got no answer gives its sequence numbers back: the next records take them, and the broker drops
   * those as repeats.
   */
  idempotent_lanes: [
    {
      file: 'packages/kafka/src/produce/lanes.ts',
      find: 'allowAutoTopicCreation: false,',
      replace: 'allowAutoTopicCreation: false,\n      idempotent: true,',
    },
    {
      file: 'packages/kafka/src/produce/lanes.ts',
      find: 'const FAILURES_UNTIL_RECONNECT = 3',
      replace: 'const FAILURES_UNTIL_RECONNECT = 1_000_000',
    },
    // Of one record each, so that the numbers of two sends are surely the same.
    {
      file: 'services/ingress/src/start.ts',
      find: 'const BATCH_RECORDS_MAX = 1_000',
      replace: 'const BATCH_RECORDS_MAX = 1',
    },
  ],
  /** Two steps of one call have one key: the second is taken for a contradiction of the first. */
  wrong_dedup_key: [
    {
      file: 'packages/sources/src/presets/contact-centre/cxone.ts',
      find: 'const dedupKey = joinDedupKey([interactionId, eventType, String(sequence)])',
      replace: 'const dedupKey = joinDedupKey([interactionId, eventType])',
    },
  ],
  /** An ingress has an old partition count half of the time, and dedup takes what comes of it. */
  no_partition_check: [
    {
      file: 'services/ingress/src/receive/receiver.ts',
      find: 'partition: partitionOf(record.key, lanes.partitions)',
      replace: 'partition: partitionOf(record.key, Math.random() < 0.5 ? lanes.partitions : 2)',
    },
    {
      file: 'services/dedup/src/pipeline.ts',
      find: '.step(ownPartitionIn(seen, partition, partitions))',
      replace: '',
    },
  ],
  /** A group that has lost its offset begins at the first record again. */
  absence_is_beginning: [
    {
      file: 'packages/kafka/src/processor/where-to-begin.ts',
      find: "case 'lost':\n",
      replace: "case 'lost':\n      return { offset: range.start, isNew: true }\n",
    },
  ],
  /** The position in the state decides alone, without a comparison with the committed offset. */
  position_alone: [
    {
      file: 'packages/kafka/src/processor/where-to-begin.ts',
      find: "case 'unequal':\n",
      replace: "case 'unequal':\n      return { offset: position as bigint, isNew: false }\n",
    },
  ],
  /** Every reader of the product leaves out one record of 97, and goes on as if it had not been there. */
  reader_skips: [
    {
      file: 'packages/kafka/src/protocol/record-batch.ts',
      find: 'if (offsetDelta >= deltaMin) records.push(record)',
      replace:
        'if (offsetDelta >= deltaMin && (batch.firstOffset + BigInt(offsetDelta)) % 97n !== 96n) records.push(record)',
    },
  ],
  /** The first batch after the database was away loses its last row. */
  sink_drops_last: [
    {
      file: 'packages/row-sink/src/row-task.ts',
      find: 'const results = await retrying(() => sink.write(events))',
      replace: [
        'const memory = globalThis as { wasAway?: boolean }',
        'const isShort = memory.wasAway === true && events.length > 1',
        'if (isShort) memory.wasAway = false',
        'const write = async (): Promise<RowResult[]> =>',
        "  isShort ? [...(await sink.write(events.slice(0, -1))), { kind: 'stored' }] : [...(await sink.write(events))]",
        'const results = await retrying(write)',
      ].join('\n    '),
    },
    {
      file: 'packages/row-sink/src/row-task.ts',
      find: 'throw taskErrorOf(error, { away: SinkUnavailableError',
      replace:
        'if (error instanceof SinkUnavailableError) (globalThis as { wasAway?: boolean }).wasAway = true\n' +
        '    throw taskErrorOf(error, { away: SinkUnavailableError',
    },
  ],
  /** Of one event in 64 a second row is stored, under another key. */
  second_key: [
    {
      file: 'packages/row-sink/src/row-task.ts',
      find: 'origins.push(record)',
      replace: [
        'origins.push(record)',
        'const last = events.at(-1)!',
        'if (/^0[0-3]/.test(last.eventKey)) {',
        "  events.push({ ...last, eventKey: last.eventKey.slice(0, 24) + 'eeeeeeee' })",
        '  origins.push(record)',
        '}',
      ].join('\n        '),
    },
  ],
} as const satisfies Readonly<Record<string, readonly Mutation[]>>

export type MutationName = keyof typeof MUTATIONS

/** The source of a file with the defect in it. Throws when the place is not there exactly once. */
export const mutate = (source: string, { file, find, replace }: Mutation): string => {
  const parts = source.split(find)
  if (parts.length !== 2) throw new Error(`${file} has ${parts.length - 1} times ${JSON.stringify(find)}`)
  return parts.join(replace)
}
