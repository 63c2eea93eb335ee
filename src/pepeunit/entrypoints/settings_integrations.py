"""Settings of Telegram and Grafana."""

from __future__ import annotations

from attrs import frozen

from pepeunit.entrypoints.setting_values import (
    choice,
    flag,
    link,
    setting,
    text,
    whole,
)


@frozen
class TelegramSettings:
    """The Telegram bot."""

    token: str = setting(
        "PU_TELEGRAM_TOKEN", "", text, "The bot's token.", secret=True, built=False
    )
    bot_link: str = setting(
        "PU_TELEGRAM_BOT_LINK",
        "",
        link("https", "http"),
        "The bot's public link, `https://t.me/<bot>`.",
        built=False,
    )
    bot_mode: str = setting(
        "PU_TELEGRAM_BOT_MODE",
        "webhook",
        choice("webhook", "pooling"),
        "How updates arrive.",
        built=False,
    )
    del_old_webhook: bool = setting(
        "PU_TELEGRAM_DEL_OLD_WEBHOOK",
        True,
        flag,
        "Whether an earlier webhook is deleted first.",
        built=False,
    )
    proxy_url: str = setting(
        "PU_TELEGRAM_PROXY_URL",
        "",
        link("socks5", "socks4", "http", "https"),
        "A proxy on the way to Telegram.",
        secret=True,
        built=False,
    )
    items_per_page: int = setting(
        "PU_TELEGRAM_ITEMS_PER_PAGE", 7, whole(1, 50), "Entries of a list page.", built=False
    )
    header_entity_length: int = setting(
        "PU_TELEGRAM_HEADER_ENTITY_LENGTH",
        15,
        whole(1, 64),
        "Characters of a name in a heading.",
        built=False,
    )
    git_hash_length: int = setting(
        "PU_TELEGRAM_GIT_HASH_LENGTH", 8, whole(4, 40), "Characters of a commit.", built=False
    )


@frozen
class GrafanaSettings:
    """Grafana dashboards."""

    url: str | None = setting(
        "PU_GRAFANA_URL",
        None,
        link("http", "https"),
        "Grafana's address inside your network.",
        shown="`/grafana` of this instance",
        built=False,
    )
    admin_user: str = setting(
        "PU_GRAFANA_ADMIN_USER", "admin", text, "Grafana's administrator.", built=False
    )
    admin_password: str = setting(
        "PU_GRAFANA_ADMIN_PASSWORD",
        "",
        text,
        "The administrator's password.",
        secret=True,
        built=False,
    )
    nodes_per_panel_max: int = setting(
        "PU_GRAFANA_LIMIT_UNIT_NODE_PER_ONE_PANEL", 10, whole(1), "Nodes of one panel.", built=False
    )
