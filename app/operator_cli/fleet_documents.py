"""The GraphQL documents of the commands of fleet work."""

from __future__ import annotations

from typing import Final

UPDATE_ROW: Final = """
  id endpoint { name presence } package { name version } campaign { name } method state reason attempts createdAt
  finishedAt
"""
UPDATE_FACTS: Final = f"""
  {UPDATE_ROW} objectInstanceId stateSince deviceState updateResult versionBefore versionAfter createdBy detail
"""
UPDATES: Final = f"""
query($endpoint: String, $states: [FirmwareUpdateState!], $first: Int, $after: String) {{
  firmwareUpdates(endpoint: $endpoint, states: $states, first: $first, after: $after) {{
    pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {UPDATE_ROW} }} }}
  }}
}}"""
UPDATE: Final = f"""
query($id: ID!) {{
  firmwareUpdate(id: $id) {{
    {UPDATE_FACTS}
    operations(first: 50) {{ edges {{ node {{ id kind path status reason detail createdAt finishedAt }} }} }}
  }}
}}"""
UPDATE_OF: Final = "query($name: String!) { endpoint(name: $name) { firmwareUpdate { id } } }"
CREATE_UPDATE: Final = f"""
mutation($endpoint: String!, $package: ID!, $method: FirmwareMethod, $instance: Int) {{
  updateFirmware(endpoint: $endpoint, packageId: $package, method: $method, objectInstanceId: $instance) {{
    {UPDATE_FACTS}
  }}
}}"""
CANCEL_UPDATE: Final = f"mutation($id: ID!) {{ cancelFirmwareUpdate(id: $id) {{ {UPDATE_FACTS} }} }}"

CAMPAIGN_ROW: Final = "id name status reason wave counts { state count }"
CAMPAIGN_FACTS: Final = f"""
  {CAMPAIGN_ROW} filter continuous package {{ name version }} waves startsPerMinute maxRunning abort startAt endAt
  window retries createdAt createdBy startedAt finishedAt
"""
CAMPAIGNS: Final = f"""
query($statuses: [CampaignStatus!], $first: Int, $after: String) {{
  campaigns(statuses: $statuses, first: $first, after: $after) {{
    pageInfo {{ hasNextPage endCursor }}
    edges {{ node {{ {CAMPAIGN_ROW} package {{ name version }} createdAt finishedAt }} }}
  }}
}}"""
CAMPAIGN_IDS: Final = """
query($first: Int, $after: String) {
  campaigns(first: $first, after: $after) { pageInfo { hasNextPage endCursor } edges { node { id name } } }
}"""
CAMPAIGN: Final = f"query($id: ID!) {{ campaign(id: $id) {{ {CAMPAIGN_FACTS} }} }}"
TARGET: Final = "endpoint { name } state wave attempts detail changedAt"
TARGETS: Final = f"""
query($id: ID!, $states: [CampaignTargetState!], $first: Int, $after: String) {{
  campaign(id: $id) {{
    targets(states: $states, first: $first, after: $after) {{
      totalCount pageInfo {{ hasNextPage endCursor }} edges {{ node {{ {TARGET} update {{ id state reason }} }} }}
    }}
  }}
}}"""
CREATE_CAMPAIGN: Final = f"""
mutation($input: CampaignInput!) {{ createCampaign(input: $input) {{ {CAMPAIGN_FACTS} }} }}"""
WATCHED: Final = f"query($id: ID!) {{ transitionCursor campaign(id: $id) {{ {CAMPAIGN_ROW} }} }}"
PROGRESS: Final = f"""
subscription($id: ID!, $after: String) {{
  campaignProgress(id: $id, after: $after) {{ cursor campaign {{ {CAMPAIGN_ROW} }} target {{ {TARGET} }} }}
}}"""


def _action(mutation: str, *, reason: bool = False) -> str:
    declared, given = (", $reason: String!", ", reason: $reason") if reason else ("", "")
    return f"mutation($id: ID!{declared}) {{ {mutation}(id: $id{given}) {{ {CAMPAIGN_FACTS} }} }}"


PAUSE_CAMPAIGN: Final = _action("pauseCampaign", reason=True)
RESUME_CAMPAIGN: Final = _action("resumeCampaign")
APPROVE_WAVE: Final = _action("approveCampaignWave")
CANCEL_CAMPAIGN: Final = _action("cancelCampaign", reason=True)
RETRY_CAMPAIGN: Final = _action("retryCampaign")
