/** The import borders of the house; ARCHITECTURE.md explains them. */
const only = (name, from, allowed) => ({
  name,
  severity: 'error',
  from: { path: from },
  to: {
    path: '^(packages|services|cli|verification|tools)/',
    pathNot: [from, ...allowed.map((p) => `^(packages|verification)/${p}/`)],
  },
})

/** Folders of packages/kafka/src from the bottom up. Each imports only those before it; tests import anything. */
const KAFKA_LAYERS = ['client', 'protocol', 'read', 'produce', 'group', 'transactions', 'processor', 'admin']
const kafkaLayers = KAFKA_LAYERS.map((folder, index) => ({
  name: `kafka-${folder}-imports-no-folder-above`,
  severity: 'error',
  from: { path: `^packages/kafka/src/${folder}/(?!.*\\.test\\.ts$)` },
  to: { path: `^packages/kafka/src/(${[...KAFKA_LAYERS.slice(index + 1), 'index\\.ts'].join('|')})` },
}))

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    { name: 'must-resolve', severity: 'error', from: {}, to: { couldNotResolve: true } },
    {
      name: 'services-never-import-services',
      severity: 'error',
      from: { path: '^services/([^/]+)/' },
      to: { path: '^services/', pathNot: '^services/$1/' },
    },
    {
      name: 'services-import-no-verification-and-no-tools',
      severity: 'error',
      from: { path: '^services/(?!.*\\.test\\.ts$)' },
      to: { path: '^(verification/(?!truth/)|tools/)' },
    },
    {
      // The simulator writes the ledger with which the audit compares what a run has left.
      name: 'only-the-simulator-imports-truth',
      severity: 'error',
      from: { path: '^services/(?!simulator/)' },
      to: { path: '^verification/truth/' },
    },
    {
      name: 'only-cli-imports-services',
      severity: 'error',
      from: { path: '^(packages|verification)/' },
      to: { path: '^services/' },
    },
    {
      name: 'no-deep-imports',
      severity: 'error',
      from: { path: '^(packages|services|verification|cli)/([^/]+)/' },
      // What `@weir/kafka/testing` exports is for tests, see below.
      to: {
        path: '^(packages|verification|tools)/[^/]+/src/(?!index\\.ts$|testing/topics\\.ts$|testing/index\\.ts$)',
        pathNot: '^$1/$2/',
      },
    },
    {
      name: 'kafka-testing-is-for-tests',
      severity: 'error',
      from: {
        path: '^(packages|services|verification|cli)/([^/]+)/',
        pathNot: '\\.test\\.ts$|/testing/|^packages/kafka/src/simulation/',
      },
      to: { path: '^packages/kafka/src/(testing|simulation)/' },
    },
    {
      name: 'bench-imports-no-insides',
      severity: 'error',
      from: { path: '^bench/' },
      to: { path: '^(packages|services)/[^/]+/src/(?!index\\.ts$)' },
    },
    {
      name: 'nobody-imports-bench',
      severity: 'error',
      from: { pathNot: '^bench/' },
      to: { path: '^bench/' },
    },
    {
      name: 'only-kafka-imports-kafkajs',
      severity: 'error',
      // The naive receiver that benchmarks compare with is not ours.
      from: { pathNot: ['^packages/kafka/', '^bench/src/ingress/naive-server\\.ts$'] },
      to: { path: 'node_modules/.*kafkajs/', pathNot: 'confluent-schema-registry' },
    },
    {
      name: 'testkit-is-for-tests',
      severity: 'error',
      from: { pathNot: ['\\.test\\.ts$', '^tests/', '^tools/testkit/'] },
      to: { path: '^tools/testkit/' },
    },
    only('contracts-imports-no-sibling', '^packages/contracts/', []),
    only('runtime-imports', '^packages/runtime/(?!.*\\.test\\.ts$)', ['contracts', 'kafka', 'sources']),
    {
      name: 'runtime-knows-kafka-only-in-consumer-and-topics',
      severity: 'error',
      from: { path: '^packages/runtime/src/(?!consumer/|topics/|index\\.ts$)' },
      to: { path: '^packages/(runtime/src/(consumer|topics)|kafka|sources)/' },
    },
    only('exact-json-imports-no-sibling', '^packages/exact-json/', []),
    only('sources-imports', '^packages/sources/(?!.*\\.test\\.ts$)', ['contracts', 'exact-json']),
    only('event-codec-imports', '^packages/event-codec/(?!.*\\.test\\.ts$)', ['contracts']),
    only('seen-keys-imports', '^packages/seen-keys/', ['contracts']),
    only('row-sink-imports', '^packages/row-sink/', ['contracts', 'event-codec', 'kafka', 'runtime']),
    only('truth-imports', '^verification/truth/', ['contracts']),
    ...kafkaLayers,
    only('kafka-imports', '^packages/kafka/(?!.*\\.test\\.ts$)', ['contracts']),
    only('observer-imports', '^verification/observer/(?!.*\\.test\\.ts$)', [
      'contracts',
      'event-codec',
      'kafka',
      'truth',
    ]),
    // A judge that shares code with what it judges shares its faults.
    only('oracle-imports-no-product', '^verification/oracle/(?!.*\\.integration\\.test\\.ts$)', []),
    only('local-stack-imports', '^tools/local-stack/(?!.*\\.test\\.ts$)', []),
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    exclude: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'types', 'node'] },
  },
}
