import { existsSync, mkdirSync, realpathSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { classData } from './class-data.ts'
import { ensureFolder, ensurePrivate, type Folders } from '../folders.ts'
import { runToEnd, startProcess, waitUntilReady } from '../processes/process.ts'
import { asServer, type LocalServer } from './server.ts'

const REGISTRY_VERSION = '2.6.13.Final'
const MAVEN_DEPENDENCY = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'

const registryFolder = (folders: Folders): string => join(folders.downloads, `apicurio-${REGISTRY_VERSION}`)

export const isRegistryFetched = (folders: Folders): boolean => existsSync(registryFolder(folders))

/** Apicurio Registry from Maven, about 142 MB packed. */
export const fetchRegistry = (folders: Folders): Promise<void> =>
  ensureFolder(registryFolder(folders), async (temporary) => {
    const packed = join(temporary, 'packed')
    await runToEnd(folders.run, {
      name: 'fetch-registry',
      command: 'mvn',
      args: [
        '-q',
        '-B',
        `${MAVEN_DEPENDENCY}:copy`,
        `-Dartifact=io.apicurio:apicurio-registry-app:${REGISTRY_VERSION}:tar.gz:all`,
        `-DoutputDirectory=${packed}`,
      ],
      cwd: temporary,
      inherits: true,
      logFile: join(folders.logs, 'fetch-registry.log'),
    })
    const unpacked = join(temporary, 'app')
    mkdirSync(unpacked)
    await runToEnd(folders.run, {
      name: 'unpack-registry',
      command: 'tar',
      args: ['xzf', join(packed, `apicurio-registry-app-${REGISTRY_VERSION}-all.tar.gz`), '-C', unpacked],
      logFile: join(folders.logs, 'unpack-registry.log'),
    })
    rmSync(packed, { recursive: true })
    renameSync(
      join(unpacked, `apicurio-registry-app-${REGISTRY_VERSION}-runner.jar`),
      join(unpacked, 'registry.jar'),
    )
  })

export interface RegistryOptions {
  readonly folders: Folders
  readonly java: string
  readonly port: number
}

/** A Confluent-compatible schema registry. Subjects and ids are in a file, so records stay readable after any end. */
export const startRegistry = async ({ folders, java, port }: RegistryOptions): Promise<LocalServer> => {
  const dataDir = join(folders.state, 'registry')
  ensurePrivate(folders.state)
  ensurePrivate(dataDir)
  const app = realpathSync(join(registryFolder(folders), 'app'))
  const jar = join(app, 'registry.jar')
  const classes = classData(folders, `apicurio-${REGISTRY_VERSION}`, java, [jar])
  const child = startProcess(folders.run, {
    name: 'registry',
    command: java,
    args: [
      '-Xmx384m',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
      ...classes.options,
      '-Dquarkus.http.host=127.0.0.1',
      `-Dquarkus.http.port=${port}`,
      // It would reflect any page's origin.
      '-Dquarkus.http.cors=false',
      `-Dquarkus.datasource.jdbc.url=jdbc:h2:file:${join(dataDir, 'registry')};DB_CLOSE_ON_EXIT=FALSE;WRITE_DELAY=0`,
      '-jar',
      jar,
    ],
    cwd: app,
    logFile: join(folders.logs, 'registry.log'),
    stopMsMax: classes.stopMsMax,
  })
  void child.exited.then(classes.ended)
  const url = `http://127.0.0.1:${port}/apis/ccompat/v7`
  await waitUntilReady(child, async () => (await fetch(`${url}/subjects`)).ok, 120_000)
  return asServer(child, url)
}
