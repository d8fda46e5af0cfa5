import type { DocumentedCommand } from '@weir/testkit'
import { PRESETS } from '@weir/sources'

/** What becomes of a command of the documents in docs.test.ts. */
export type Treatment =
  /** Runs before anything is started. */
  | { readonly kind: 'before' }
  /** Starts Weir: all of these are one start, with the settings of each. */
  | { readonly kind: 'start' }
  /** Runs against that start. */
  | { readonly kind: 'run' }
  /** As `run`; what it asks for takes a moment, so it is asked until the answer is what the page shows. */
  | { readonly kind: 'ask' }
  /** This runs in its place: its help, or a dry run. */
  | { readonly kind: 'instead'; readonly command: string }
  | { readonly kind: 'not'; readonly why: string }

const before: Treatment = { kind: 'before' }
const start: Treatment = { kind: 'start' }
const run: Treatment = { kind: 'run' }
const ask: Treatment = { kind: 'ask' }
const instead = (command: string): Treatment => ({ kind: 'instead', command })
const help = (command: string): Treatment => instead(`npm run -s weir -- ${command} --help`)
const not = (why: string): Treatment => ({ kind: 'not', why })

const CI = not('a suite of its own: .ci/run runs it')
const CONTAINERS = not('needs a container engine: npm run containers runs docker-compose.yml')
const WEIR = 'npm run weir -- '

/** How a command is called in the table: its first line, with `…` where it goes on. */
export const titleOf = ({ text }: DocumentedCommand): string => {
  const [first = '', ...rest] = text.split('\n')
  return rest.length === 0 ? first : `${first.replace(/ \\$/, '')} …`
}

type Rows = readonly (readonly [title: string, treatment: Treatment])[]

const SEND = "curl -s -w '\\n%{http_code}\\n'"
/** One request each. */
const PAGES_OF_PRESETS = Object.fromEntries(
  Object.keys(PRESETS)
    .filter((name) => name !== 'custom')
    .map((name): readonly [string, Rows] => [
      `docs/sources/${name}.md`,
      [[SEND, not('services/ingress/src/sources/source-pages.test.ts sends it')]],
    ]),
)

/**
 * Every command of every page, in the order of the page; pages in the order in which a newcomer reads them. A command
 * that is not here, or no longer in its page, fails the test.
 */
export const DOCUMENTED: Readonly<Record<string, Rows>> = {
  'README.md': [
    ['git clone <this repository> weir && cd weir', not('this is the clone')],
    ['npm start', not('tests/e2e/start.test.ts runs it with its simulator')],
    ['npm start -- --for 30 --summary result.json', not('tests/e2e/start.test.ts runs it to its end')],
    ['npm test', not('this is a part of it')],
    ['npm run check', CI],
    ['npm run weir -- --help', run],
    ['SOURCE_CXONE_SECRETS=a-secret-of-your-own-choice npm start -- --no-simulator', start],
    [
      `curl -s http://127.0.0.1:3000/webhooks/cxone -H 'content-type: application/json' -H "x-cxone-signature: $SIGNATURE" -d "$BODY"`,
      run,
    ],
    ['PGSERVICEFILE=.weir/run/pg_service.conf psql service=weir -xc …', ask],
  ],
  'docs/guides/your-own-provider.md': [
    ['mkdir -p .weir/parcel', before],
    ["cat > .weir/parcel/sources.yaml <<'EOF' …", before],
    ['npm run -s weir -- sources check .weir/parcel/sources.yaml', before],
    ["cat > .weir/parcel/mapping.yaml <<'EOF' …", before],
    [
      'SOURCES_FILE=.weir/parcel/sources.yaml npm run -s weir -- mapping check .weir/parcel/mapping.yaml',
      before,
    ],
    [`printf '%s' "$DELIVERED" > .weir/parcel/delivered.json`, before],
    ['SOURCE_PARCEL_SECRETS=$SECRET npm run -s weir -- sources verify --source parcel …', before],
    ['SOURCES_FILE=.weir/parcel/sources.yaml MAPPINGS_FILE=.weir/parcel/mapping.yaml …', start],
    ['deliver "$DELIVERED"', run],
    ['PGSERVICEFILE=.weir/run/pg_service.conf psql service=weir -Atc …', ask],
    ['deliver "$DELIVERED"', run],
    [
      `PGSERVICEFILE=.weir/run/pg_service.conf psql service=weir -Atc "SELECT count(*) FROM events WHERE source = 'parcel'"`,
      ask,
    ],
    [
      `deliver '{"delivery":"d-1","parcel":"p-7","event":"parcel.delivered","at":"2026-01-01T00:00:00Z","courier":"kim","note":"with a neighbour"}'`,
      run,
    ],
    ['npm run -s weir -- dlq ls dedup --source parcel', ask],
    ['npm run -s weir -- dlq discard dedup --source parcel', run],
  ],
  'docs/sources/README.md': [
    [
      'SOURCE_CXONE_SECRETS=a-secret-of-your-own-choice SOURCE_NICE_SECRETS=a-secret-of-your-own-choice …',
      start,
    ],
    [`post cxone "$BODY" "x-cxone-signature: $(hex "$BODY")"`, run],
    [`post cxone-dataaction "$BODY" "x-nice-webhook-signature: $(base64 "$BODY")"`, run],
    [`post nice "$BODY" "x-nice-signature: $(hex "$BODY")"`, run],
    ['post cognigy "$BODY" "authorization: Bearer $SECRET"', run],
    [
      'CXONE_INSTANCE=api-us-1.cxone.com CXONE_CLIENT_ID=... CXONE_CLIENT_SECRET=... CXONE_WEBHOOK_SECRET=... …',
      run,
    ],
  ],
  ...PAGES_OF_PRESETS,
  'docs/operations/run.md': [
    [`KAFKA_BROKERS=broker-1:9092,broker-2:9092,broker-3:9092 ${WEIR}topics`, help('topics')],
  ],
  'docs/operations/console.md': [
    [
      'curl -s -H @.weir/run/console-headers http://127.0.0.1:3001/events/f92fcb65b7c6fbf77c81f9eef2e4ca7f',
      ask,
    ],
    ['curl -s -H @.weir/run/console-headers http://127.0.0.1:3001/interactions/nice/int-1', ask],
  ],
  'docs/operations/dead-letters.md': [
    [`${WEIR}dlq ls normalizer --reason unmappable --limit 20`, run],
    [`${WEIR}dlq show normalizer 3/1041`, help('dlq show')],
    [`${WEIR}dlq replay normalizer --reason unmappable --dry-run`, run],
    [`${WEIR}dlq replay normalizer --reason unmappable --rate 200`, run],
    [`${WEIR}dlq discard dedup --source nice --to 2026-01-31T00:00:00Z`, run],
    ['npm run -s weir -- dlq export dedup --format s3 > letters.jsonl', run],
    [`${WEIR}dlq jobs`, run],
    [`${WEIR}dlq ls normalizer --reason source_parked --source cxone --limit 5`, run],
    [`${WEIR}dlq replay normalizer --reason source_parked --source cxone`, run],
  ],
  'docs/operations/audit-log.md': [
    [`${WEIR}audit-log ls --limit 20`, run],
    [`${WEIR}audit-log ls --what letters.export --who ann --json`, run],
    [`${WEIR}audit-log verify`, run],
    ['npm run -s weir -- audit-log verify --json > .weir/audit-heads.json', run],
    [`${WEIR}audit-log verify --seen .weir/audit-heads.json`, run],
  ],
  'docs/operations/retention.md': [
    [`${WEIR}retention plan --older-than 400d`, run],
    [`${WEIR}retention run --older-than 400d`, run],
    [`${WEIR}retention run --older-than 400d --yes`, run],
    [`${WEIR}retention ls`, run],
    [`${WEIR}hold add --source nice --interaction int-1 --reason 'case 17'`, run],
    [`${WEIR}hold add --customer +15550001001 --reason 'case 18'`, run],
    [`${WEIR}hold ls`, run],
    [`${WEIR}hold ls --all --json`, run],
    [`${WEIR}hold release 1 --reason 'case 17 is closed'`, run],
  ],
  'docs/operations/dedup-state.md': [
    // They work on a deployment that is stopped.
    [`${WEIR}dedup repartition --to 24 --dry-run`, help('dedup repartition')],
    [`${WEIR}dedup repartition --to 24`, help('dedup repartition')],
    [`${WEIR}dedup rebuild-state --partition 3 --dry-run`, help('dedup rebuild-state')],
    [`${WEIR}dedup rebuild-state --partition 3`, help('dedup rebuild-state')],
  ],
  'docs/operations/failures.md': [
    [`${WEIR}offsets show --service normalizer`, run],
    [
      `${WEIR}offsets set --service normalizer --topic webhooks.unique.v1 --partition 3 --to 120034`,
      help('offsets set'),
    ],
  ],
  'docs/operations/schemas.md': [
    [`${WEIR}backfill --source cxone-dataaction --dry-run`, run],
    [`${WEIR}backfill --source cxone-dataaction --rate 5000`, run],
  ],
  'docs/operations/deploy.md': [
    ['docker build -t weir .', CONTAINERS],
    ['docker run --rm weir --help', CONTAINERS],
    ['docker run --rm weir dedup', CONTAINERS],
    ['docker compose --profile simulator up --build', CONTAINERS],
    ['docker compose exec ingress cat /run/weir/sources/cxone', CONTAINERS],
    [
      'DATABASE_ADMIN_URL=postgres://postgres:...@db/weir DATABASE_OWNER_URL=postgres://weir_owner:...@db/weir …',
      help('db migrate'),
    ],
  ],
  'deploy/config/README.md': [
    [
      'SOURCES_FILE=/etc/weir/sources.yaml MAPPINGS_FILE=/etc/weir/mappings.yaml docker compose up',
      CONTAINERS,
    ],
  ],
  'docs/guides/add-an-event-field.md': [
    [
      'npm test -- --project unit -u services/normalizer/src/mappings/fields-page.test.ts',
      not('writes the page: the same test without -u runs beside this'),
    ],
  ],
  'docs/testing.md': [
    ['npm test', not('this is a part of it')],
    ['npm test -- --project unit', not('this is beside it')],
    ['npm test -- --project integration services/dedup', not('the integration tests run beside this')],
    ['npm run test:e2e -- --env containers', not('this is a part of it')],
    ['npm run check', CI],
    ['npm run containers', CI],
    ['npm run testkit:pack', not('npm run test:e2e runs it')],
    ['npm run testkit:pack', not('npm run test:e2e runs it')],
    ['docker build -t weir .', CONTAINERS],
    [
      'npm install --save-dev ../weir/.weir/packed/weir-testkit.tgz',
      not('in another project: npm run test:e2e runs the example project'),
    ],
    ['WEIR_IMAGE=weir npx vitest run', not('in another project: npm run test:e2e runs the example project')],
  ],
  'docs/faults.md': [
    [
      'npm run faults -- --tier ci --seed 7 --summary result.json --report report.md',
      instead('npm run -s faults -- --help'),
    ],
  ],
  'docs/security.md': [
    ['npm run security -- --tier short', instead('npm run -s security -- --help')],
    ['npm run security', CI],
    ['npm run security -- --only smuggling --summary result.json', CI],
  ],
}

/** The row of a command; undefined where the table has another one, or none, at its place. */
export const treatmentOf = (command: DocumentedCommand, index: number): Treatment | undefined => {
  const row = DOCUMENTED[command.file]?.[index]
  const title = titleOf(command)
  return row !== undefined && (row[0] === title || (row[0] === SEND && title.startsWith(SEND)))
    ? row[1]
    : undefined
}
