import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { findJava, kafkaJarsFolder } from '@weir/local-stack'
import { isolatedFolders, isolatedKafka } from '@weir/testkit'
import { expect, it } from 'vitest'
import { cannotConsult } from '../consult.ts'
import { readDump, writeDump, type DumpedPartition, type DumpedRecord, type DumpLine } from './dump.ts'

const folders = isolatedFolders('oracle')
const { kafkaBrokers, topicPrefix } = isolatedKafka('oracle')
const java = await findJava()
const jars = kafkaJarsFolder(folders)
const reason = await cannotConsult({ java, jars })
const UNIQUE = 'webhooks.unique.v1'

it.skipIf(reason !== undefined)(
  `reads what is committed, and sees a transaction that was left open${reason === undefined ? '' : `: ${reason}`}`,
  async () => {
    mkdirSync(folders.state, { recursive: true })
    const file = join(folders.state, 'dump.ndjson')
    const source = join(import.meta.dirname, '../../java/LeaveOpen.java')
    const args = ['-cp', join(jars, '*'), source, kafkaBrokers.join(','), `${topicPrefix}${UNIQUE}`]
    await promisify(execFile)(java!, args)
    await writeDump({ java: java!, jars, kafkaBrokers, topicPrefix, file })
    const lines: DumpLine[] = []
    for await (const some of readDump(file)) lines.push(...some)
    const records = lines.filter((line): line is DumpedRecord => line.is === 'record')
    const found = records.map(({ topic, key, sha256, home, partition, size }) => ({
      topic,
      key: Buffer.from(key!, 'base64').toString(),
      sha256,
      size,
      isHome: home === partition,
    }))
    const expected = ['cxone|a', 'cxone|b', 'cxone|c'].map((key) => ({
      topic: UNIQUE,
      key,
      size: 16,
      isHome: true,
      sha256: createHash('sha256').update(`value of ${key}`).digest('hex'),
    }))
    expect(found.sort((one, other) => (one.key < other.key ? -1 : 1))).toEqual(expected)
    const partitions = lines.filter(
      (line): line is DumpedPartition => line.is === 'partition' && line.topic === UNIQUE,
    )
    expect(partitions).toHaveLength(2)
    expect(partitions.filter(({ stable, high }) => stable < high)).toHaveLength(1)
    expect(partitions.filter(({ stable, high }) => stable === high)).toHaveLength(1)
  },
  // Two JVMs compile and start: seconds, and a minute on a machine that is busy with other tests.
  180_000,
)
