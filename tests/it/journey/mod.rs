mod official_clients;
