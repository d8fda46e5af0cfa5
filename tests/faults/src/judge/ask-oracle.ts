import { join } from 'node:path'
import { findJava, kafkaJarsFolder, type Folders } from '@weir/local-stack'
import { consult, describeReport } from '@weir/oracle'
import { oracleInflux, WINDOW_MS, type ServerUrls } from '../rig/layout.ts'
import type { Observed } from './judge.ts'

/** What the independent oracle says of a run that has come to rest; that it could not be asked is a finding, too. */
export const askOracle = async (
  folders: Folders,
  urls: ServerUrls,
  progress: (text: string) => void,
): Promise<NonNullable<Observed['oracle']>> => {
  try {
    const report = await consult({
      java: await findJava(),
      jars: kafkaJarsFolder(folders),
      progress,
      isAlone: true,
      kafkaBrokers: urls.kafkaBrokers,
      topicPrefix: '',
      databaseUrl: urls.database,
      influx: urls.influx === undefined ? undefined : oracleInflux(urls.influx),
      windowMs: WINDOW_MS,
      truthDir: join(folders.state, 'truth'),
      folder: join(folders.state, 'oracle'),
    })
    const [counted] = describeReport(report)
    return { findings: report.findings, counted: counted! }
  } catch (error) {
    return { findings: [`it could not be asked: ${(error as Error).message}`], counted: '' }
  }
}
