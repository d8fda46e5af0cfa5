import { dedup } from '@weir/dedup'
import { ingress } from '@weir/ingress'
import { metricExport } from '@weir/metric-export'
import { normalizer } from '@weir/normalizer'
import { persistence } from '@weir/persistence'
import { KAFKA_SETTINGS, SERVICE_SETTINGS, type Setting, type Settings } from '@weir/service-kit'
import { simulator } from '@weir/simulator'
import { START_SETTINGS, TOPICS_SETTINGS } from './config.ts'

interface Section {
  readonly title: string
  readonly intro: string
  readonly settings: readonly Setting[]
}

const SHARED: Settings = { ...SERVICE_SETTINGS, ...KAFKA_SETTINGS }

/** Those that are not shared by all. */
const own = (settings: Settings): readonly Setting[] =>
  Object.values(settings).filter((one) => !Object.values(SHARED).includes(one))

const sections = (): readonly Section[] => [
  {
    title: 'Shared',
    intro: 'Every service reads these (the simulator only `LOG_LEVEL`).',
    settings: Object.values(SHARED),
  },
  ...[ingress, dedup, normalizer, persistence, metricExport, simulator].map(({ name, settings }) => ({
    title: name,
    intro: `Besides the shared ones, \`${name}\` reads:`,
    settings: own(settings),
  })),
  {
    title: 'weir topics',
    intro: '`weir topics` creates and checks the topics. Besides the shared ones it reads:',
    settings: own(TOPICS_SETTINGS),
  },
  {
    title: 'npm start',
    intro:
      '`npm start` hands every setting above to the services that it runs. It sets what a local run needs, ' +
      'and whatever the environment gives wins. For itself it reads:',
    settings: own(START_SETTINGS),
  },
]

const complaint = ({ schema }: Setting, text: string | undefined): string | undefined =>
  schema.safeParse(text).error?.issues[0]?.message

/** What the schema accepts, in its own words: it is asked with a text that nothing but free text can be. */
const valuesOf = (one: Setting): string => {
  const message = complaint(one, '?')
  if (message !== undefined) return message.replace(/^must be (a )?/, '')
  return Array.isArray(one.schema.safeParse('?').data) ? 'list, separated by commas' : 'text'
}

/** As one would write it; undefined: it must be set. Empty: none. */
const defaultOf = ({ schema }: Setting): string | undefined => {
  const { success, data } = schema.safeParse(undefined)
  if (!success) return undefined
  if (data === undefined) return ''
  const scalar = data as string | number | boolean
  return Array.isArray(data) ? data.join(',') : scalar.toString()
}

const code = (text: string): string => `\`${text}\``

const rowOf = (one: Setting): readonly string[] => {
  const value = defaultOf(one)
  const shown = value === '' ? '' : value === undefined ? '**must be set**' : code(value)
  const notes = [
    ...(one.aliases?.length ? [`Also as ${one.aliases.map(code).join(', ')}.`] : []),
    ...(one.secret ? ['Secret.'] : []),
  ]
  return [code(one.env), shown, valuesOf(one), [one.help, ...notes].join(' ')]
}

const HEAD = ['Variable', 'Default', 'Values', 'Meaning'] as const

/** Padded as Prettier pads, so that the file stays as it is. */
const table = (rows: readonly (readonly string[])[]): string => {
  const widths = HEAD.map((title, column) => Math.max(...[HEAD, ...rows].map((row) => row[column]!.length)))
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, column) => cell.padEnd(widths[column]!)).join(' | ')} |`
  return [line(HEAD), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

const INTRO = `# Configuration

Services read the environment and nothing else. A value that cannot be used stops the start with exit code 2 and one message that names every such setting, its value (never a secret's) and the fix.

For each variable there is \`<NAME>_FILE\`: a file that holds the value, for secrets that are mounted. The variable wins over the file. Empty means unset.

\`npm run weir -- settings\` prints this page.
`

/** `docs/operations/configuration.md`, made from what the services really read. */
export const settingsReference = (): string =>
  [
    INTRO,
    ...sections().map(({ title, intro, settings }) =>
      [`## ${title}`, intro, table(settings.map(rowOf))].map((part) => `${part}\n`).join('\n'),
    ),
  ].join('\n')

const ENV_INTRO = `# Settings of docker-compose.yml: copy to .env and uncomment what you change.
# Nothing has to be set for a trial: what is secret is made up at the first start and kept in volumes.
# Each variable's default is behind the = sign.
`

const envLines = (one: Setting): string =>
  [
    `# ${one.help}${one.aliases?.length ? ` Also as ${one.aliases.join(', ')}.` : ''}`,
    `# ${one.env}=${defaultOf(one) ?? ''}`,
  ].join('\n')

/** `.env.example`: the settings of the services that Compose runs. */
export const envExample = (): string => {
  const runnable = sections().filter(({ title }) => title !== 'npm start')
  const parts = runnable.map(({ title, settings }) =>
    [`# ---- ${title} ----`, ...settings.map(envLines)].join('\n'),
  )
  return `${[ENV_INTRO, ...parts].join('\n\n').replace('\n\n\n', '\n\n')}\n`
}
