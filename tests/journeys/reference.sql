-- A database shaped like that of the reference platform, written from its documented names:
-- tables and encrypted columns of access.md 8, fields of rest.md 6 and devices.md 2-4 and 7.
CREATE TYPE visibility AS ENUM ('Public', 'Internal', 'Private');
CREATE TABLE users (
    uuid uuid PRIMARY KEY, role varchar NOT NULL, status varchar NOT NULL,
    login varchar NOT NULL UNIQUE, hashed_password varchar NOT NULL,
    cipher_dynamic_salt varchar NOT NULL, telegram_chat_id varchar, grafana_org_name uuid,
    grafana_org_id varchar, create_datetime timestamp NOT NULL
);
CREATE TABLE repository_registry (
    uuid uuid PRIMARY KEY, platform varchar NOT NULL, repository_url varchar NOT NULL UNIQUE,
    is_public_repository boolean NOT NULL, cipher_credentials_private_repository varchar,
    releases_data varchar, local_repository_size integer NOT NULL DEFAULT 0,
    sync_status varchar, sync_error varchar, sync_last_datetime timestamp,
    create_datetime timestamp NOT NULL, last_update_datetime timestamp NOT NULL,
    creator_uuid uuid REFERENCES users ON DELETE SET NULL
);
CREATE TABLE repos (
    uuid uuid PRIMARY KEY, visibility_level visibility NOT NULL, name varchar NOT NULL UNIQUE,
    create_datetime timestamp NOT NULL, default_branch varchar,
    is_auto_update_repo boolean NOT NULL, default_commit varchar,
    is_only_tag_update boolean NOT NULL, is_compilable_repo boolean NOT NULL,
    last_update_datetime timestamp NOT NULL, creator_uuid uuid REFERENCES users,
    repository_registry_uuid uuid REFERENCES repository_registry
);
CREATE TABLE units (
    uuid uuid PRIMARY KEY, visibility_level visibility NOT NULL, name varchar NOT NULL UNIQUE,
    create_datetime timestamp NOT NULL, is_auto_update_from_repo_unit boolean NOT NULL,
    target_firmware_platform varchar, repo_branch varchar, repo_commit varchar,
    unit_state varchar, current_commit_version varchar, last_update_datetime timestamp NOT NULL,
    cipher_env_dict varchar, cipher_state_storage varchar, firmware_update_status varchar,
    firmware_update_error varchar, last_firmware_update_datetime timestamp,
    creator_uuid uuid REFERENCES users, repo_uuid uuid REFERENCES repos
);
CREATE TABLE units_nodes (
    uuid uuid PRIMARY KEY, type varchar NOT NULL, visibility_level visibility NOT NULL,
    is_rewritable_input boolean NOT NULL DEFAULT false, max_connections integer NOT NULL,
    topic_name varchar NOT NULL, last_update_datetime timestamp NOT NULL,
    is_data_pipe_active boolean NOT NULL DEFAULT false, data_pipe_yml text,
    data_pipe_status varchar, data_pipe_error text, create_datetime timestamp NOT NULL,
    state varchar, unit_uuid uuid REFERENCES units, creator_uuid uuid REFERENCES users
);
CREATE TABLE units_nodes_edges (
    uuid uuid PRIMARY KEY, node_output_uuid uuid REFERENCES units_nodes,
    node_input_uuid uuid REFERENCES units_nodes, creator_uuid uuid REFERENCES users
);
CREATE TABLE permissions (
    uuid uuid PRIMARY KEY, agent_uuid uuid NOT NULL, agent_type varchar NOT NULL,
    resource_uuid uuid NOT NULL, resource_type varchar NOT NULL
);
