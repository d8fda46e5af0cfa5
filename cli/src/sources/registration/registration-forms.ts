/** How one kind of webhook is registered; unconfirmed, see docs/sources. */
export interface RegistrationForm {
  /** The webhook's name at the provider, when none is given. */
  readonly name: string
  readonly scopes: readonly string[]
  /** Also needed when the receiver reads interactions from the provider's API. */
  readonly enrichingScopes: readonly string[]
  /** Permissions that the client needs. The error names them when the provider responds with 403. */
  readonly permissions: readonly string[]
  /** The provider signs with the registered secret; without it every delivery would be refused. */
  readonly needsSecret: boolean
  readonly bodyOf: (webhook: WebhookToRegister) => object
}

export interface WebhookToRegister {
  readonly name: string
  /** URL that the provider delivers to. */
  readonly url: string
  /** Secret that the provider signs with; undefined when none was given. */
  readonly secret: string | undefined
}

/** For the person who has to grant it. */
export const rightsOf = ({ permissions }: RegistrationForm, scopes: readonly string[]): string =>
  [
    ...(scopes.length > 0 ? [`the scopes ${scopes.join(' ')}`] : []),
    ...(permissions.length > 0 ? [`the permissions ${permissions.join(', ')}`] : []),
  ].join(' and ')

const LEAN_TEMPLATE = {
  interactionId: '{{interaction.id}}',
  eventType: '{{event.type}}',
  timestamp: '{{event.timestamp}}',
  agentId: '{{interaction.agent.id}}',
  skill: '{{interaction.skill.name}}',
  direction: '{{interaction.direction}}',
  sequenceNumber: '{{event.sequenceNumber}}',
}

export const REGISTRATION_FORMS = {
  cxone: {
    name: 'CXone Event Receiver',
    scopes: [],
    enrichingScopes: ['interactions:read', 'events:read'],
    permissions: ['Webhooks Create', 'Webhooks Edit', 'Events Subscribe', 'Interactions Read'],
    needsSecret: true,
    bodyOf: ({ name, url, secret }) => ({
      name,
      url,
      eventTypes: ['CALL_CONNECTED', 'CALL_TRANSFERRED', 'CALL_DISCONNECTED', 'CALL_WRAP_UP'],
      payloadTemplate: LEAN_TEMPLATE,
      authentication: { type: 'sharedSecret', secretKey: secret },
      retryPolicy: { maxRetries: 4, initialDelaySeconds: 60 },
    }),
  },
  'cxone-router': {
    name: 'Interaction Router',
    scopes: ['webhooks:write', 'interactions:read'],
    enrichingScopes: [],
    permissions: [],
    needsSecret: false,
    bodyOf: ({ name, url }) => ({
      name,
      url,
      scope: 'interactions:read',
      events: ['interaction.created', 'interaction.updated', 'interaction.completed'],
    }),
  },
  nice: {
    name: 'Data Action Updates',
    scopes: ['webhook:write', 'webhook:read'],
    enrichingScopes: [],
    permissions: [],
    needsSecret: true,
    bodyOf: ({ url, secret }) => ({ url, events: ['data.action.updated'], secret }),
  },
} as const satisfies Record<string, RegistrationForm>

export type RegistrationFormName = keyof typeof REGISTRATION_FORMS
export const REGISTRATION_FORM_NAMES = Object.keys(REGISTRATION_FORMS) as readonly RegistrationFormName[]
