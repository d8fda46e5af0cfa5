import type { SourceDefinition } from '../source.ts'
import { cloudevents } from './standards/cloudevents.ts'
import { cognigy } from './contact-centre/cognigy.ts'
import { custom } from './custom.ts'
import { cxoneDataAction } from './contact-centre/cxone-dataaction.ts'
import { cxone } from './contact-centre/cxone.ts'
import { genesysOpenMessaging } from './contact-centre/genesys-open-messaging.ts'
import { github } from './platforms/github.ts'
import { hubspot } from './platforms/hubspot.ts'
import { eventGrid } from './platforms/event-grid.ts'
import { meta } from './contact-centre/meta.ts'
import { niceExpert } from './contact-centre/nice-expert.ts'
import { nice } from './contact-centre/nice.ts'
import { pagerduty } from './platforms/pagerduty.ts'
import { sendgrid } from './platforms/sendgrid.ts'
import { shopify } from './platforms/shopify.ts'
import { slack } from './platforms/slack.ts'
import { sns } from './platforms/sns.ts'
import { standardWebhooks } from './standards/standard-webhooks.ts'
import { stripe } from './platforms/stripe.ts'
import { svix } from './platforms/svix.ts'
import { twilio } from './contact-centre/twilio.ts'
import { zendesk } from './contact-centre/zendesk.ts'
import { zoom } from './contact-centre/zoom.ts'

const BUILT_IN = [cxone, cognigy, cxoneDataAction, nice] as const
const ALL = [
  cxone,
  cxoneDataAction,
  nice,
  cognigy,
  niceExpert,
  standardWebhooks,
  github,
  stripe,
  slack,
  shopify,
  zendesk,
  sendgrid,
  twilio,
  pagerduty,
  sns,
  svix,
  hubspot,
  genesysOpenMessaging,
  zoom,
  meta,
  eventGrid,
  cloudevents,
  custom,
] as const

export type SourceName = (typeof BUILT_IN)[number]['name']
export type PresetName = (typeof ALL)[number]['name']
export type BuiltInSource = SourceDefinition & { readonly name: SourceName }

/** The sources that exist without a sources file. */
export const SOURCES: readonly BuiltInSource[] = BUILT_IN

/** Every preset that a sources file can start from. */
export const PRESETS = Object.fromEntries(ALL.map((preset) => [preset.name, preset])) as Readonly<
  Record<PresetName, SourceDefinition>
>
